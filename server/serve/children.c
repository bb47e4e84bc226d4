/* The processes beside the workers. */
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "server/pki/renewal.h"
#include "server/serve/internal.h"
#include "server/store/migrate.h"

static int failed(const sense_error *err)
{
	sense_log(SENSE_LOG_ERROR, err->subsystem, "%s", err->message);
	return 1;
}

static const struct sense_conf *conf_of(const void *config)
{
	return ((const struct sense_worker_plan *)config)->conf;
}

/* ---- stores ------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t told;

static void on_told(int sig)
{
	(void)sig;
	told = 1;
}

static gid_t group_of(const struct sense_conf *conf)
{
	const struct passwd *user = getpwnam(sense_conf_text(conf, SENSE_SERVER_KEY_SERVER_USER));
	return user && !geteuid() ? user->pw_gid : getegid();
}

/* A second at a time, or until a child ends. */
static void tend(struct sense_embedded *stores)
{
	sigset_t waited;
	int status;
	pid_t pid;
	sigemptyset(&waited);
	sigaddset(&waited, SIGCHLD);
	sigaddset(&waited, SIGTERM);
	if (sigtimedwait(&waited, NULL, &(struct timespec){.tv_sec = 1}) == SIGTERM)
		told = 1;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		sense_embedded_exited(stores, pid, status);
	if (!told)
		sense_embedded_tend(stores);
}

int sense_serve_stores(void *self, void *config, struct sense_server_process *process)
{
	sense_error err;
	struct sense_embedded stores;
	sigset_t blocked;
	const struct sense_embedded_config what = {.dir = sense_serve.dir,
	                                           .group = group_of(conf_of(config))};
	(void)self;
	signal(SIGTERM, on_told);
	if (sense_serve.embedded && sense_embedded_start(&what, &stores, &err))
		return failed(&err);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sense_server_process_ready(process);
	while (!told && sense_serve.embedded)
		tend(&stores);
	if (sense_serve.embedded) {
		sense_embedded_stop(&stores);
	} else {
		int sig;
		sigdelset(&blocked, SIGCHLD);
		while (!told && sigwait(&blocked, &sig) == 0 && sig != SIGTERM)
			;
	}
	return 0;
}

int sense_serve_migrate(void *self, void *config, struct sense_server_process *process)
{
	sense_error err;
	struct sense_migrate_report report;
	const struct sense_migrate_config what = {.conninfo = sense_serve.conninfo};
	(void)self;
	(void)config;
	(void)process;
	if (sense_migrate(&what, &report, &err))
		return failed(&err);
	if (report.applied)
		sense_log(SENSE_LOG_INFO, "migrate",
		          "the database is at version %u, %u migrations were applied", report.version,
		          report.applied);
	return 0;
}

/* ---- signer ------------------------------------------------------------------------------------------- */

static void signer_ready(void *self, const sense_error *why)
{
	if (why)
		failed(why);
	else
		sense_server_process_ready(self);
}

int sense_serve_signer(void *self, void *config, struct sense_server_process *process)
{
	(void)self;
	(void)config;
	return sense_signer_run(sense_serve.signer, signer_ready, process);
}

/* A certificate from elsewhere is not ours to make anew. */
int sense_serve_renewal(void *self, void *config, struct sense_server_process *process)
{
	sigset_t waited;
	int sig;
	(void)self;
	sense_server_process_ready(process);
	if (!*sense_conf_text(conf_of(config), SENSE_SERVER_KEY_TLS_CERTIFICATE))
		return sense_renewal_run(sense_serve.signer, &sense_serve.signer_config);
	sigemptyset(&waited);
	sigaddset(&waited, SIGTERM);
	sigprocmask(SIG_BLOCK, &waited, NULL);
	while (sigwait(&waited, &sig) || sig != SIGTERM)
		;
	return 0;
}
