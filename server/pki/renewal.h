/*
 * The server's own certificate, kept good: made anew when two thirds of its time are over, when it is not
 * there, when another CA signed it, or when the server is called otherwise now. Its key stays, so one file
 * changes, at once.
 *
 * Asks the signer at the master's end and waits for the answer, seconds at most: for the master, once an hour
 * or so.
 */
#ifndef SENSE_SERVER_PKI_RENEWAL_H
#define SENSE_SERVER_PKI_RENEWAL_H

#include "server/pki/signer.h"

/* fd: the master's end. *renewed: server.pem is new, and whoever serves with it is to read it again. */
enum sense_status sense_renewal_tend(int fd, const struct sense_signer_config *config, time_t now,
                                     bool *renewed, sense_error *err);

/*
 * A child of the master that does so each hour, and tells the master by SIGHUP to read the certificate again.
 * Takes the master's end. Returns only when it has no end to ask at, with an exit code.
 */
int sense_renewal_run(sense_signer *signer, const struct sense_signer_config *config);

/* Why this certificate is to be made anew, in a few words; NULL: it is good. It may be NULL itself. */
const char *sense_renewal_why(X509 *ca, X509 *certificate, const char *const *names, unsigned count,
                              time_t now);

#endif
