/* Making the names in a folder durable: a file that was synced can still be lost when the folder that names
 * it was not. */
#ifndef RJ_FOLDER_H
#define RJ_FOLDER_H

/* 0 or an errno. */
int rj_folder_sync(const char *path);

/* The same for the folder that `path` stands in. */
int rj_folder_sync_parent(const char *path);

#endif
