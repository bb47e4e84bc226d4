/*
 * files.h - the inside of the plugin `files`: what its parts share.
 *
 *   files.c       the sensor: sweeps over homes, pacing, settings
 *   places.c      the catalogue's paths as places: roots and steps from one directory to the next
 *   walk.c        one walker for all places: directory by directory, in pieces
 *   watch.c       inotify, and what is looked at again because of it
 *   homes.c       whose homes there are; file systems that are left alone
 *   known.c       what was told already, so that only news is
 *   leaf.c        what is done with a file that a place led to
 *   models.c, extensions.c, jar.c, mcp*.c, package.c, secrets.c   bytes and names in, structs out, no I/O
 *
 * Ownership: one `struct files` for the sensor's life owns everything. Bounds stand here.
 */
#ifndef SENSE_PLUGIN_FILES_FILES_H
#define SENSE_PLUGIN_FILES_FILES_H

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "core/sense_plugin.h"

#define HOMES_MAX 1024u
#define PLACES_MAX 1024u
#define STEPS_MAX 14u
#define DEPTH_MAX 20u            /* directories below a home */
#define PROJECT_DEPTH 3u         /* ... in which projects are looked for */
#define DEEP_DEPTH 8u            /* directories that '**' stands for */
#define ENTRIES_DIR_MAX 8192u    /* looked at of a directory */
#define ENTRIES_HOME_MAX 100000u /* ... and of a home in one sweep */
#define CONFIG_MAX (1u << 20)    /* bytes of a configuration */
#define YAML_MAX (256u << 10)    /* libyaml is slower by an order */
#define MODEL_MIN (1u << 20)     /* a smaller file is no model */
#define KNOWN_MAX 32768u
#define KNOWN_HOME_MAX 8192u
#define WATCHES_MAX 4096u
#define WATCHES_HOME_MAX 1024u
#define JOBS_MAX 256u
#define WORK_PIECE 100u /* system calls or so in one call of the sensor */
#define PATH_ROOM 4096u

/* ---- places ------------------------------------------------------------------------------------------ */

enum step_kind {
	STEP_NAME,    /* this name */
	STEP_GLOB,    /* '*' is any text */
	STEP_LISTED,  /* a browser extension that the catalogue lists */
	STEP_DEEP,    /* directories, however many */
	STEP_PROJECT, /* the same, few levels and none that is hidden, a cache or full of dependencies */
};

enum leaf_kind {
	LEAF_MCP,
	LEAF_INSTRUCTIONS,
	LEAF_MODEL,
	LEAF_CHROME,    /* manifest.json of an extension */
	LEAF_FIREFOX,   /* extensions.json of a profile */
	LEAF_EDITOR,    /* directory publisher.name-version */
	LEAF_JETBRAINS, /* directory of a plugin */
	LEAF_PYTHON,    /* name-version.dist-info */
	LEAF_NPM,       /* directory in node_modules */
};

struct step {
	uint8_t kind; /* enum step_kind */
	const char *text;
};

struct place {
	uint8_t leaf;   /* enum leaf_kind */
	uint8_t format; /* enum mcp_format, of LEAF_MCP */
	bool system;    /* from the root directory, not from homes */
	uint8_t count;
	const char *app; /* client, browser, editor */
	const char *keys;
	struct step steps[STEPS_MAX];
};

/* How far a walk has come on the way to a place. */
struct state {
	uint16_t place;
	uint8_t step;
	uint8_t deep; /* directories taken by the STEP_DEEP or STEP_PROJECT that it stands on */
};

#define STATES_MAX 1024u

struct states {
	unsigned count;
	struct state at[STATES_MAX];
};

/* A name of sdk.tsv. */
struct listed {
	uint8_t leaf; /* LEAF_CHROME, LEAF_FIREFOX, ... */
	const char *name;
};

/* First bytes of models, of wire.tsv. */
struct magic {
	uint8_t bytes[16], mask[16]; /* mask 0: any */
	uint8_t len, offset, fixed;  /* fixed: how many are given */
	bool pickle_zip;             /* a zip that begins with NAME/data.pkl */
	bool safetensors;
	bool hdf5;
};

struct places {
	unsigned count, listed_count, magic_count;
	bool firefox;     /* the catalogue lists extensions of it */
	struct place *at; /* PLACES_MAX */
	struct listed *listed;
	struct magic magics[32];
	char *text; /* all strings of the above */
	size_t text_used, text_room;
};

enum sense_status places_load(struct places *places, const struct sense_host *host, sense_error *err);
void places_free(struct places *places);
/* Where a walk begins: in a home, or in the root directory. */
void places_begin(const struct places *places, bool system, struct states *out);
/* Adds the states that need no directory more: behind a '**'. */
void places_settle(const struct places *places, struct states *states);
/* States behind an entry of that name; *leaves: places that it is itself. */
void places_step(const struct places *places, const struct state *from, unsigned count, const char *name,
                 bool directory, struct states *next, struct states *leaves);
bool place_listed(const struct places *places, enum leaf_kind leaf, const char *name);
bool glob_match(const char *pattern, const char *name, bool fold);

/* ---- homes ------------------------------------------------------------------------------------------- */

struct home {
	char *path; /* without '/' at its end; "" is the root directory */
	char *user; /* NULL: the system's */
	uid_t uid;
	unsigned known, watches; /* how many */
	bool swept;              /* once at least: what is new is 'created', not 'found' */
	bool cut;                /* this sweep did not see all of it */
	bool full;               /* it was told that not all of it is remembered */
	bool unwatched;          /* ... watched */
	unsigned entries;        /* of this sweep */
};

struct homes {
	unsigned count;
	struct home *at[HOMES_MAX]; /* addresses stay */
};

struct mount {
	char *path;
	bool remote; /* on the network, in user space, or not there yet */
};

struct mounts {
	int fd; /* of the list, which tells when it changes; -1: not open */
	unsigned count;
	struct mount *at;
};

/* Takes note of new homes; those that are gone are left, and fail to open. */
void homes_read(struct homes *homes, const struct mounts *mounts, const char *list);
void homes_free(struct homes *homes);
void mounts_read(struct mounts *mounts); /* anew, if they changed */
void mounts_free(struct mounts *mounts);
/* The file system of a path by the list of mounts alone: asking a server that is gone would hang. */
bool mounts_remote(const struct mounts *mounts, const char *path);
/* A remote one is mounted there. */
bool mounts_remote_at(const struct mounts *mounts, const char *path);

/* ---- what was told ----------------------------------------------------------------------------------- */

enum known_kind { KNOWN_SERVER, KNOWN_CONFIG, KNOWN_INSTRUCTIONS, KNOWN_MODEL, KNOWN_INVENTORY, KNOWN_GAP };

struct known_entry {
	uint64_t key, path_hash, value;
	uint32_t seen;
	uint8_t kind; /* enum known_kind */
	struct home *home;
	char *path;
};

struct known {
	unsigned count, room;
	uint32_t now; /* counts passes */
	uint64_t seed;
	struct known_entry **table; /* open addressing */
};

enum known_news { KNOWN_SAME, KNOWN_NEW, KNOWN_CHANGED, KNOWN_FULL };

struct files;
enum known_news known_note(struct files *files, struct home *home, enum known_kind kind, const char *path,
                           const char *name, uint64_t value);
uint64_t known_hash(struct files *files, const void *bytes, size_t len, uint64_t seed);
bool known_model(struct files *files, const char *path);
/* Forgets, and tells of files, what was not noted since `since`: of one path; under a path; of a home. */
void known_expire_path(struct files *files, const char *path, uint32_t since);
void known_expire_below(struct files *files, const char *path, uint32_t since);
/* All of this path counts as noted: it could not be read just now. */
void known_keep_path(struct files *files, const char *path);
void known_expire_home(struct files *files, struct home *home, uint32_t since);
void known_free(struct known *known);

/* ---- walking ----------------------------------------------------------------------------------------- */

struct frame {
	int fd;
	DIR *dir;          /* NULL: names are tried, the directory is not read */
	unsigned path_len; /* of the walk's path, without the name of an entry */
	unsigned tried;    /* states whose name was tried */
	unsigned entries;
	bool read, try_all; /* goes through the directory; tries names */
	unsigned count;
	struct state *states;
};

struct walk {
	struct home *home;
	int root; /* the home's descriptor */
	unsigned depth;
	unsigned branch; /* entries below the entry of the home that it is in */
	struct frame frames[DEPTH_MAX];
	char path[PATH_ROOM];
	struct states next, leaves; /* of the entry at hand */
};

/* False, when the home cannot be opened (a gap is told). */
bool walk_begin(struct files *files, struct walk *walk, struct home *home);
/* Looks again at one entry of a directory below the home; rel is "" or ends with '/'. */
bool walk_begin_entry(struct files *files, struct walk *walk, struct home *home, const char *rel,
                      const char *name, const struct state *states, unsigned count);
/* One piece; false: there is nothing left to walk. */
bool walk_go(struct files *files, struct walk *walk);
void walk_end(struct walk *walk);

/* ---- watching ---------------------------------------------------------------------------------------- */

struct watch {
	int wd;
	struct home *home;
	char *rel; /* path below the home, "" or ending with '/' */
	unsigned count;
	struct state *states;
};

struct job {
	int wd;
	uint64_t due_ms, last_ms; /* when; not later than this */
	char name[256];
};

struct watcher {
	int inotify, timer, epoll; /* -1: none */
	unsigned count, jobs;
	bool overflowed; /* events were lost: everything is to be looked at */
	struct watch *at[WATCHES_MAX];
	struct job queue[JOBS_MAX];
};

enum sense_status watch_open(struct files *files, sense_error *err);
void watch_close(struct files *files);
void watch_directory(struct files *files, struct home *home, int fd, const char *rel,
                     const struct state *states, unsigned count);
/* Reads events, at most a buffer of them. */
void watch_read(struct files *files);
/* The next job that is due; false: none. */
bool watch_due(struct files *files, struct job *job);
const struct watch *watch_find(const struct files *files, int wd);
void watch_arm(struct files *files, bool busy);

/* ---- the sensor ---------------------------------------------------------------------------------------- */

struct files {
	const struct sense_host *host;
	enum sense_sensor_mode mode;
	struct places places;
	struct homes homes;
	struct mounts mounts;
	struct known known;
	struct watcher watcher;
	struct walk sweep, again; /* of the sweep; of what changed */
	bool sweeping;
	bool own_sweep; /* begun because events were lost */
	bool swept_one; /* the walk is in sweep_home */
	unsigned sweep_home;
	uint32_t sweep_since;    /* known.now as its walk began */
	struct home *again_home; /* of the change being looked at; NULL: none */
	bool again_cut;
	uint32_t again_since;
	char again_path[PATH_ROOM + 512];
	struct states again_next, again_leaves; /* of an event at hand */
	uint64_t overflows;
	uint64_t every_ms;
	unsigned work;   /* done in this call */
	uint64_t looked; /* entries, in all */
};

/* A gap is told once for a place and reason; again when it was gone in between. */
void tell_gap(struct files *files, struct home *home, const char *where, const char *why, uint64_t count);
void tell_file(struct files *files, const struct home *home, const char *kind, const char *op,
               const char *path, double size);
/* What a place led to. */
struct found {
	int fd;     /* open, of a file that is to be read; else -1 */
	int parent; /* the directory that it was found in */
	const char *name, *path;
	const struct stat *st; /* of a directory the kind alone */
};
void leaf_take(struct files *files, struct home *home, const struct place *place, const struct found *found);
/* Id and version, both of `room` bytes, of the plugin in a directory; false: it does not tell. */
bool jetbrains_plugin(struct files *files, const struct found *found, char *id, char *version, size_t room);
/* Opens below the directory at fd, never leaving it and following nothing magic. */
int open_beneath(int fd, const char *path, int flags);
bool models_match(const struct places *places, const uint8_t *head, size_t len, uint64_t size,
                  const char *name);
/* magics from a row of wire.tsv; false: this row is none that can be read. */
bool models_magic(const char *pattern, const char *where, struct places *places);

/* Names of directories and what they say, both of `room` bytes; false: not of that kind. */
bool split_editor(const char *directory, char *id, char *version, size_t room);
bool split_dist_info(const char *directory, char *name, char *version, size_t room);

#endif
