/** The explorer: a web page that explains a network on images. */
package io.fovea.app.serve;
