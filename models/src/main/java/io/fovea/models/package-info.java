/** Backbones, where attention goes into them, and their weights as files. */
package io.fovea.models;
