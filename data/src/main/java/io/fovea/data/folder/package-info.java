/**
 * What a folder of samples is, decided by the names in it: which of its folders are the parts of a
 * split, which are classes, and which are neither. All tasks ask here; no file is decoded. Start
 * with {@link io.fovea.data.folder.FolderLayout}.
 */
package io.fovea.data.folder;
