// Package statuspage looks at the status page in a real Chromium: each status, wide and on a phone,
// light and dark. axe-core audits its accessibility, and the browser reports what the page's
// Content-Security-Policy blocks.
//
// Run the tests with -screenshots to write the pictures of the documentation.
package statuspage
