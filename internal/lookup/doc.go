// Package lookup finds bundles that are not beside a file: on images in registries, and in
// evidence stores. Its [Registry] and [Store] are what internal/verdict asks.
package lookup
