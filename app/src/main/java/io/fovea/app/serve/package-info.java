/**
 * The explorer: a local web server with a page that explains a network on your images. Explanations
 * and their pictures are in {@code io.fovea.explain}. Start with {@code Explorer}.
 */
package io.fovea.app.serve;
