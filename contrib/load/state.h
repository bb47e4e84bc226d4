/*
 * What the agents have generated and what was acknowledged, as a file that is mapped: kill -9 takes nothing from it,
 * as it takes nothing from an agent's spool. What a finding consists of follows from the agent, its sequence and the
 * seed, so a finding that is sent again, even by another process, is the same.
 */
#ifndef SENSE_LOAD_STATE_H
#define SENSE_LOAD_STATE_H

#include <stdint.h>
#include <stdio.h>

#include "core/base/status.h"
#include "proto/finding.h"

#define LOAD_UUID 37u

struct load_spool { /* sequences from 1 on */
	uint64_t generated, acknowledged;
};

struct load_state {
	uint64_t magic, size, seed;
	uint64_t begin_us, step_us; /* a finding's time: begin + sequence * step */
	uint32_t agents, known;     /* known: they are in the database */
	char org[40];
	struct load_spool spools[];
};

/* path NULL: in memory alone. A file that is there must have been made for as many agents and the same seed. */
enum sense_status load_state_open(const char *path, unsigned agents, uint64_t seed, uint64_t step_us,
                                  struct load_state **out, sense_error *err);
void load_state_close(struct load_state *state);

void load_agent_uuid(uint64_t seed, unsigned agent, char out[LOAD_UUID]);
/* Its strings live until the next call. */
void load_finding_make(const struct load_state *state, unsigned agent, uint64_t sequence, struct sense_finding *out);
/* The id alone. */
void load_finding_id(const struct load_state *state, unsigned agent, uint64_t sequence, uint8_t id[16]);

enum sense_status load_ids_write(const struct load_state *state, const char *path, sense_error *err);

#endif
