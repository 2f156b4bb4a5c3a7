/** Data that come with Fovea, are drawn by it, or are downloaded. */
package io.fovea.data.bundled;
