/** Exported networks and their cards. */
package io.fovea.app.export;
