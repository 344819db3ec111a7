// SPDX-License-Identifier: Apache-2.0

// Package webpage writes HTML pages without scripts, images or external
// content, with a content security policy that allows only their one style
// sheet.
//
// A page is a template that begins with {{template "head" .}} and ends with
// {{template "foot" .}}, both in layout.html. Its data is in .Data.
package webpage
