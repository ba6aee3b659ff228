// Package readme has only tests, which keep the documents true. They compile and run every Go
// snippet, run the program of the README, follow the links, and compare the list of options and the
// number of exported names with the code.
package readme
