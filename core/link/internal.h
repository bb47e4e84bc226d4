/*
 * What the files of the link share; nothing outside core/link includes this.
 */
#ifndef SENSE_LINK_INTERNAL_H
#define SENSE_LINK_INTERNAL_H

#include "core/link/identity.h"
#include "core/link/link.h"
#include "core/link/managed.h"

struct sense_link_policies {
	uint64_t kept;     /* generation on the disk; 0: none */
	uint64_t wanted;   /* the latest that was asked for */
	uint64_t fetching; /* 0: none */
	uint64_t refused;  /* in this session: not asked for again */
	uint8_t signature[SENSE_MANAGED_SIGNATURE];
	uint8_t manifest_bytes[SENSE_MANIFEST_MAX];
	size_t manifest_len; /* 0: it did not come yet */
	struct sense_manifest manifest;
	struct sense_buf bundle;
	/* what came of the latest that was loaded or refused */
	struct sense_message_policy at_work, outcome;
	bool verified; /* the manifest in hand */
	bool loaded, told;
	char problem[512];
};

#define SENSE_LINK_DONE 32u /* commands whose outcome is remembered */
#define SENSE_LINK_ID_MAX 64u

struct sense_link_done {
	char id[SENSE_LINK_ID_MAX];
	char status[12], detail[128];
};

struct sense_link {
	struct sense_link_config config;
	struct sense_link_status status;
	char host[256], os[128], kernel[80], arch[80];
	uint64_t began_us;

	/* the process */
	int fd;
	unsigned rest_ms, rest_left_ms, lived_ms, still_ms;

	/* what it wants of findings */
	uint32_t turn;
	bool wanting;
	uint64_t position; /* the last that it was given in this turn */
	uint64_t given;    /* the last that any was given */
	size_t credit;
	uint64_t acknowledge; /* to be told to the spool; 0: nothing */

	struct sense_managed_trust trust;
	struct sense_link_policies policies;

	struct sense_link_done done[SENSE_LINK_DONE];
	unsigned done_next;

	/* the certificate */
	int64_t from, until;
	unsigned renew_left_ms;
	bool renewing;
	char key[SENSE_IDENTITY_PEM_MAX]; /* of the certificate that was asked for */
};

/* False: it did not go out; the process is slow, or ends. */
bool sense_link_send(sense_link *link, enum sense_uplink_kind kind, uint32_t number, uint64_t sequence,
                     const void *data, size_t len);
void sense_link_problem(sense_link *link, const char *text, size_t len);
/* Ends the process; another one follows at once. */
void sense_link_anew(sense_link *link);

/* ---- health.c: what the server is told of this agent ---- */
void sense_link_health_init(sense_link *link);
void sense_link_due(sense_link *link, uint32_t method);

/* ---- policies.c ---- */
void sense_link_policies_init(sense_link *link);
void sense_link_policies_down(sense_link *link); /* the session ended */
void sense_link_policies_wanted(sense_link *link, uint64_t generation);
void sense_link_policies_manifest(sense_link *link, uint64_t generation, const uint8_t *data, size_t len);
void sense_link_policies_piece(sense_link *link, uint64_t generation, const uint8_t *data, size_t len);
void sense_link_policies_look(sense_link *link);

/* ---- commands.c ---- */
/* False: it is none, which the uplink may not send. */
bool sense_link_commanded(sense_link *link, uint64_t expires, const char *text, size_t len);

/* ---- renew.c: certificates ---- */
enum sense_status sense_link_identity_look(sense_link *link, sense_error *err);
void sense_link_renew_look(sense_link *link, unsigned elapsed_ms);
void sense_link_renewed(sense_link *link, const uint8_t *der, size_t len);
void sense_link_renew_failed(sense_link *link, const char *why);

#endif
