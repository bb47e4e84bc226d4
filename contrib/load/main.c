/* sense-load: docs/load.md tells how it is used. */
#include <stdlib.h>

#include "contrib/load/load.h"
#include "core/base/signals.h"

static void load_free(struct load *load)
{
	for (unsigned i = 0; load->agents && i < load->options.agents; i++) {
		struct load_agent *agent = &load->agents[i];
		X509_free(agent->certificate);
		EVP_PKEY_free(agent->key);
		SSL_free(agent->ssl);
		EVP_MD_CTX_free(agent->digest);
		free(agent->in.data);
		free(agent->out.data);
	}
	free(load->agents);
	SSL_CTX_free(load->tls);
	if (load->loop)
		ev_loop_destroy(load->loop);
	load_state_close(load->state);
}

static enum sense_status run(struct load *load, sense_error *err)
{
	const struct load_options *options = &load->options;
	/* Times of findings as if each agent had them evenly. */
	double step = options->rate > 0 ? options->agents / options->rate * 1e6 : 1000;
	load->agents = calloc(options->agents, sizeof *load->agents);
	if (!load->agents)
		return sense_fail(err, SENSE_E_MEMORY, "load", "no memory for %u agents", options->agents);
	enum sense_status status = load_state_open(options->state, options->agents, options->seed,
	                                           (uint64_t)step, &load->state, err);
	if (!status)
		status = options->token ? load_identities_enrol(load, err) : load_identities_make(load, err);
	if (!status && !options->enrol_only)
		status = load_run(load, err);
	if (!status)
		load_report(load);
	if (!status && options->ids)
		status = load_ids_write(load->state, options->ids, err);
	return status;
}

int main(int argc, char **argv)
{
	static struct load load;
	sense_error err = {.status = SENSE_OK};
	sense_signals_begin();
	int code = load_options_read(argc, argv, &load.options);
	if (code >= 0)
		return code;
	enum sense_status status = run(&load, &err);
	if (status)
		fprintf(stderr, "sense-load: %s\n", err.message);
	bool all = load.acknowledged == load.generated && !load.policy_missing && !load.unknown &&
	           !load.counts.went_back && !load.counts.ahead;
	load_free(&load);
	return status || !all ? 1 : 0;
}
