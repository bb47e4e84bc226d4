#include "core/cli/keep.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/conf/agent.h"

enum sense_status sense_keep_open(const struct sense_conf *conf, sense_spool **spool, sense_error *err)
{
	const char *dir = sense_conf_text(conf, SENSE_CONF_SPOOL_DIR);
	char path[PATH_MAX];
	*spool = NULL;
	if (!strcmp(dir, "none"))
		return SENSE_OK;
	if (!*dir) {
		const char *agent = sense_conf_text(conf, SENSE_CONF_AGENT_DIR);
		if (mkdir(agent, 0700) && errno != EEXIST)
			return sense_fail_errno(err, "spool", "cannot make %s (agent.dir)", agent);
		snprintf(path, sizeof path, "%s/spool", agent);
		dir = path;
	}
	const struct sense_spool_config how = {
	    .dir = dir, .max_bytes = sense_conf_number(conf, SENSE_CONF_SPOOL_MAX_BYTES)};
	*spool = sense_spool_open(&how, err);
	return *spool ? SENSE_OK : err->status;
}
