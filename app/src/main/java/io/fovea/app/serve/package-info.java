/**
 * The explorer: a local web server whose page explains a network on the images that are dropped
 * there. What an explanation is and how it is drawn is in {@code io.fovea.explain}. Start with
 * {@code Explorer}.
 */
package io.fovea.app.serve;
