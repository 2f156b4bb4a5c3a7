/** Run folders: what a training leaves behind, and predictions from it. */
package io.fovea.training.run;
