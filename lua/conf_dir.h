/*
 * The configuration of a program, from all that gives it: files, the environment, the command line.
 *
 * Files are a main one, and those of a directory beside it.
 * FILE.lua has its drop-ins in FILE.d/: those named *.lua and not hidden, in the order of their bytes (as
 * `LC_ALL=C ls` has them), each over the one before and all over the main file. A package or a fleet
 * adds one, and nobody edits what somebody else has written.
 *
 * Files that decide what a privileged process does are taken from the privileged alone: to root, a file
 * must belong to root (or to this user), as must every directory above it, and nobody else may write to
 * them; a directory where everybody may write but only owners remove (S_ISVTX, /tmp) will do. Links are
 * followed, and what they lead to is judged. Regular files only, SENSE_CONF_FILE_MAX bytes each, and
 * SENSE_CONF_DROPINS_MAX of them: more is an error, never a part.
 */
#ifndef SENSE_LUA_CONF_DIR_H
#define SENSE_LUA_CONF_DIR_H

#include "core/conf/conf.h"

#define SENSE_CONF_DROPINS_MAX 64

/*
 * Sets what the files give. file: the main one, which must be there; NULL: that of the spec, which need not.
 * Every file is read even when one is wrong: the report holds what is wrong in any of them.
 */
enum sense_status sense_conf_files_load(struct sense_conf *conf, const char *file,
                                        struct sense_report *report, sense_error *err);

/* What the command line gives. */
struct sense_conf_given {
	const char *file;        /* --config; NULL: none */
	const char *const *sets; /* --set: KEY=VALUE, each holds a '=' */
	unsigned set_count;
};

/*
 * Defaults, files, the environment, the command line: each over the one before. Every source is read even when
 * one is wrong: the report holds all there is to mend. Call sense_conf_fini always.
 */
enum sense_status sense_conf_load(struct sense_conf *conf, const struct sense_conf_spec *spec,
                                  const struct sense_conf_given *given, struct sense_report *report,
                                  sense_error *err);
/* The directory of drop-ins of a main file: "my.lua" -> "my.d". False: longer than cap. */
bool sense_conf_dropins_dir(const char *file, char *out, size_t cap);

#endif
