/** Fovea's modules beside the code of the document that they come from, for speed. */
package io.fovea.app.bench;
