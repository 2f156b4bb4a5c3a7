/** Weights from one kind of network to another, in and out. */
package io.fovea.models.transfer;
