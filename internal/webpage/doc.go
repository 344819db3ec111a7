// Package webpage writes HTML for people: pages without scripts, images or anything from
// elsewhere, under a content security policy that allows nothing but their one style sheet.
//
// A page is a template that begins with {{template "head" .}} and ends with
// {{template "foot" .}}, both in layout.html. What it shows is in .Data.
package webpage
