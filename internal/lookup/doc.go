// SPDX-License-Identifier: Apache-2.0

// Package lookup finds bundles that are not next to a file: on images in registries, and in
// evidence stores. Its [Registry] and [Store] implement the interfaces of internal/find and
// internal/judge.
package lookup
