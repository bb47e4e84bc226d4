/* The CA, its files and its certificates, looked at by OpenSSL's own commands; and what is refused. */
#include "server/pki/ca.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/pki/peer.h"
#include "server/pki/request.h"
#include "server/pki/signer_wire.h"
#include "t/tap.h"

static sense_error err;
static char dir[64], other[80];
static const char org[] = "0190aaaa-1111-7000-8000-00000000000a",
		  agent[] = "0190aaaa-2222-7000-8000-00000000000b";

/* What a command prints, in static memory; its exit code in *code. %s are the CA's directory. */
__attribute__((format(printf, 2, 3))) static const char *command(int *code, const char *fmt, ...)
{
	static char out[65536];
	char line[4096];
	va_list args;
	va_start(args, fmt);
	int len = snprintf(line, sizeof line, "exec 2>&1\n");
	vsnprintf(line + len, sizeof line - (size_t)len, fmt, args);
	va_end(args);
	FILE *in = popen(line, "r");
	size_t got = in ? fread(out, 1, sizeof out - 1, in) : 0;
	out[got] = '\0';
	int status = in ? pclose(in) : -1;
	*code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return out;
}

static bool has(const char *text, const char *part)
{
	if (strstr(text, part))
		return true;
	fprintf(stderr, "# '%s' is not in:\n%s\n", part, text);
	return false;
}

static mode_t mode_of(const char *name)
{
	char path[128];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return stat(path, &st) ? 0 : st.st_mode & 07777;
}

static void made(void)
{
	int code;
	bool passphrase;
	const char *names[] = {"sense.example", "*.sense.example", "192.0.2.7", "2001:db8::7"};
	struct sense_ca_init what = {.dir = dir, .name = "Test CA", .names = names, .name_count = 4};
	ok(!sense_ca_init(&what, &passphrase, &err) && passphrase, "a CA is made");
	ok(mode_of("ca.key") == 0600 && mode_of("policy.key") == 0600 && mode_of("server.key") == 0600 &&
	       mode_of("ca.passphrase") == 0600,
	   "keys are closed to others");
	ok(mode_of("ca.pem") == 0644 && mode_of("server.pem") == 0644 && mode_of("policy.pub") == 0644,
	   "what is public can be read");
	is_num(sense_ca_init(&what, &passphrase, &err), SENSE_E_CONFIG, "a second time is refused");
	ok(has(err.message, "is there already") && !passphrase, "and it says which file");

	const char *text = command(&code, "openssl x509 -in %s/ca.pem -noout -text", dir);
	ok(!code && has(text, "CA:TRUE, pathlen:0") && has(text, "Certificate Sign, CRL Sign") &&
	       has(text, "CN = Test CA") && has(text, "ASN1 OID: prime256v1") &&
	       has(text, "ecdsa-with-SHA256"),
	   "the CA's certificate, by openssl x509");
	text = command(&code, "openssl verify -x509_strict -CAfile %s/ca.pem %s/ca.pem", dir, dir);
	is_num(code, 0, "it is good by openssl verify");
	text =
	    command(&code,
	            "openssl verify -x509_strict -purpose sslserver -verify_hostname a.sense.example -CAfile "
	            "%s/ca.pem "
	            "%s/server.pem && openssl verify -verify_ip 2001:db8::7 -CAfile %s/ca.pem %s/server.pem",
	            dir, dir, dir, dir);
	ok(!code, "the server's certificate is good for its names");
	if (code)
		fputs(text, stderr);
	command(&code, "openssl verify -verify_hostname other.example -CAfile %s/ca.pem %s/server.pem", dir,
	        dir);
	ok(code, "and for no other");
	command(&code, "openssl verify -purpose sslclient -CAfile %s/ca.pem %s/server.pem", dir, dir);
	ok(code, "nor for a client");
	text = command(&code, "grep -c BEGIN %s/server.pem", dir);
	ok(!code && atoi(text) == 2, "the CA's is behind it");
	text =
	    command(&code, "openssl pkey -in %s/ca.key -passin file:%s/ca.passphrase -noout -text", dir, dir);
	ok(!code && has(text, "NIST CURVE: P-256"), "openssl decrypts the CA's key");
	text = command(&code, "openssl asn1parse -in %s/ca.key", dir);
	ok(!code && has(text, "scrypt") && has(text, "aes-256-cbc"), "it is encrypted as it should be");
	text = command(
	    &code,
	    "openssl pkey -in %s/policy.key -passin file:%s/ca.passphrase -pubout | cmp - %s/policy.pub", dir,
	    dir, dir);
	is_num(code, 0, "the policy key and its public half");
}

static void unlocked(void)
{
	int code;
	struct sense_issuer ca;
	struct sense_signer_key policy;
	char path[128];
	ok(!sense_ca_unlock(dir, NULL, &ca, &err), "the CA's key is there");
	sense_ca_lock(&ca);
	ok(!sense_ca_unlock_policy(dir, NULL, &policy, &err), "so is that of policies");
	sense_signer_key_free(&policy);
	snprintf(path, sizeof path, "%s/wrong", dir);
	command(&code, "umask 077; echo something else >%s", path);
	is_num(sense_ca_unlock(dir, path, &ca, &err), SENSE_E_FORMAT, "another passphrase is refused");
	ok(has(err.message, "passphrase") && has(err.message, "ca.key"), "and it says so");
	command(&code, ": >%s", path);
	is_num(sense_ca_unlock(dir, path, &ca, &err), SENSE_E_CONFIG, "an empty one too");
	snprintf(path, sizeof path, "%s/none", dir);
	is_num(sense_ca_unlock(dir, path, &ca, &err), SENSE_E_NOTFOUND, "a missing one too");
	static const char *const closed[] = {"ca.key", "policy.key", "ca.passphrase"};
	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, closed[i]);
		chmod(path, 0640);
		is_num(strstr(closed[i], "policy") ? sense_ca_unlock_policy(dir, NULL, &policy, &err)
		                                   : sense_ca_unlock(dir, NULL, &ca, &err),
		       SENSE_E_CONFIG, "%s that others may read", closed[i]);
		ok(has(err.message, path) && has(err.message, "0640"), "is named with its mode");
		chmod(path, 0600);
	}
	snprintf(path, sizeof path, "%s/ca.pem", dir);
	chmod(path, 0666);
	is_num(sense_ca_unlock(dir, NULL, &ca, &err), SENSE_E_CONFIG, "a certificate that others may write");
	chmod(path, 0644);
	command(&code,
	        "mv %s/ca.key %s/kept; openssl pkey -in %s/kept -passin file:%s/ca.passphrase -out "
	        "%s/ca.key; chmod 600 "
	        "%s/ca.key",
	        dir, dir, dir, dir, dir, dir);
	is_num(sense_ca_unlock(dir, NULL, &ca, &err), SENSE_E_CONFIG, "a key that is not encrypted");
	command(
	    &code,
	    "cp %s/ca.key %s/ca.key.plain; openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 "
	    "-topk8 -scrypt -passout file:%s/ca.passphrase -out %s/ca.key; chmod 600 %s/ca.key",
	    dir, dir, dir, dir, dir);
	is_num(sense_ca_unlock(dir, NULL, &ca, &err), SENSE_E_CONFIG, "a key of another certificate");
	command(&code, "mv %s/kept %s/ca.key", dir, dir);
	command(
	    &code,
	    "mv %s/policy.key %s/kept; openssl genpkey -algorithm ED25519 | openssl pkcs8 -topk8 -scrypt "
	    "-passout file:%s/ca.passphrase -out %s/policy.key; chmod 600 %s/policy.key",
	    dir, dir, dir, dir, dir);
	is_num(sense_ca_unlock_policy(dir, NULL, &policy, &err), SENSE_E_CONFIG,
	       "a policy key of another public half");
	ok(!sense_ca_unlock(dir, NULL, &ca, &err), "which is nothing to the CA");
	sense_ca_lock(&ca);
	command(&code, "mv %s/kept %s/policy.key", dir, dir);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	ok(!sense_ca_unlock(dir, NULL, &ca, &err), "the passphrase as a credential");
	sense_ca_lock(&ca);
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static enum sense_status request(const char *how, uint8_t point[SENSE_KEY_POINT])
{
	static char data[16384];
	int code;
	command(&code, "cd %s && %s", dir, how);
	size_t len = 0;
	char path[128];
	snprintf(path, sizeof path, "%s/r", dir);
	FILE *in = fopen(path, "rb");
	if (in) {
		len = fread(data, 1, sizeof data, in);
		fclose(in);
	}
	err.message[0] = '\0';
	enum sense_status status = sense_request_read((const uint8_t *)data, len, point, &err);
	unlink(path);
	return len ? status : SENSE_E_INTERNAL;
}

#define NEW "openssl req -new -nodes -keyout k -out r -subj /CN=me "
#define P256 "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "

static void requests(void)
{
	uint8_t point[SENSE_KEY_POINT];
	ok(!request(NEW P256, point), "a request, PEM: %s", err.message);
	ok(!request(NEW P256 "-outform DER", point), "DER: %s", err.message);
	ok(!request(NEW P256 "-sha512", point), "with another digest");
	ok(!request(NEW P256
	            "-addext subjectAltName=URI:sense:agent:0190aaaa-2222-7000-8000-00000000000c -addext "
	            "basicConstraints=critical,CA:TRUE -addext extendedKeyUsage=serverAuth",
	            point),
	   "whatever it asks for is read past");
	is_num(request(NEW "-newkey rsa:2048", point), SENSE_E_UNSUPPORTED, "RSA");
	is_num(request(NEW "-newkey ed25519", point), SENSE_E_UNSUPPORTED, "Ed25519");
	is_num(request(NEW "-newkey ec -pkeyopt ec_paramgen_curve:secp384r1", point), SENSE_E_UNSUPPORTED,
	       "P-384");
	is_num(request(NEW "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1", point), SENSE_E_UNSUPPORTED,
	       "a curve of the same size");
	is_num(request(NEW P256 "-pkeyopt ec_param_enc:explicit", point), SENSE_E_UNSUPPORTED,
	       "a curve that is spelled out");
	is_num(request(NEW P256 "-sha1", point), SENSE_E_UNSUPPORTED, "SHA-1");
	is_num(request("openssl ecparam -name prime256v1 -genkey -noout -conv_form compressed -out c; "
	               "openssl ec -in c "
	               "-conv_form compressed -out c2; openssl req -new -key c2 -subj /CN=me -out r",
	               point),
	       SENSE_E_UNSUPPORTED, "a compressed point");
	is_num(
	    request(NEW P256
	            "-outform DER; printf '\\0\\0' | dd of=r bs=1 conv=notrunc seek=$(($(stat -c %s r) - 9))",
	            point),
	    SENSE_E_FORMAT, "a signature that was changed");
	is_num(request(NEW P256 "-outform DER; printf x >>r", point), SENSE_E_FORMAT, "more behind it");
	is_num(request(NEW P256 "; openssl req -in r -outform DER -out d; cat r r >both; mv both r", point),
	       SENSE_E_FORMAT, "two of them");
	is_num(request("head -c 5000 /dev/zero >r", point), SENSE_E_LIMIT, "a huge one");
	is_num(
	    request(
		"(echo '-----BEGIN CERTIFICATE REQUEST-----'; echo 'Proc-Type: 4,ENCRYPTED'; echo 'DEK-Info: "
		"AES-256-CBC,00000000000000000000000000000000'; echo; echo AAAA; echo '-----END CERTIFICATE "
		"REQUEST-----') >r",
		point),
	    SENSE_E_FORMAT, "an encrypted one");
	is_num(request("cp ca.pem r", point), SENSE_E_FORMAT, "a certificate");
	is_num(request("echo hello >r", point), SENSE_E_FORMAT, "no request at all");
	is_num(sense_request_read((const uint8_t *)"", 0, point, &err), SENSE_E_FORMAT, "nothing");
}

/* Each byte of a request changed: it is refused, or it is the same request still. */
static void request_bytes(void)
{
	static uint8_t data[4096];
	uint8_t point[SENSE_KEY_POINT], first[SENSE_KEY_POINT];
	int code;
	char path[128];
	unsigned taken = 0;
	command(&code, "cd %s && " NEW P256 "-outform DER", dir);
	snprintf(path, sizeof path, "%s/r", dir);
	FILE *in = fopen(path, "rb");
	size_t len = in ? fread(data, 1, sizeof data, in) : 0;
	if (in)
		fclose(in);
	ok(len && !sense_request_read(data, len, first, &err), "a request");
	for (size_t i = 0; i < len; i++) {
		data[i] ^= 0x21;
		taken += !sense_request_read(data, len, point, &err);
		data[i] ^= 0x21;
	}
	is_num(taken, 0, "no byte of its %zu can be changed", len);
	for (size_t i = 0; i < len; i++)
		taken += !sense_request_read(data, i, point, &err);
	is_num(taken, 0, "nor can it be cut");
}

/* ---- certificates of agents ---------------------------------------------------------------------------- */

static X509 *agent_make(const char *of, const char *organization, const char *who, time_t now)
{
	struct sense_issuer ca;
	if (sense_ca_unlock(of, NULL, &ca, &err))
		return NULL;
	EVP_PKEY *key = sense_key_make(SENSE_KEY_P256, &err);
	X509 *certificate = sense_certificate_agent(&ca, organization, who, key, now, &err);
	EVP_PKEY_free(key);
	sense_ca_lock(&ca);
	return certificate;
}

static void agents(void)
{
	int code;
	struct sense_ca_public ca;
	struct sense_peer peer = {.address = "192.0.2.1"};
	time_t now = time(NULL);
	X509 *certificate = agent_make(dir, org, agent, now), *again = agent_make(dir, org, agent, now);
	ok(certificate && again && !sense_ca_public_read(dir, &ca, &err), "a certificate for an agent");
	ok(!sense_certificate_write(dir, "agent.pem", &certificate, 1, false, &err), "is written");
	const char *text = command(&code, "openssl x509 -in %s/agent.pem -noout -text -nameopt RFC2253", dir);
	ok(!code &&
	       has(text, "Subject: "
	                 "CN=0190aaaa-2222-7000-8000-00000000000b,O=0190aaaa-1111-7000-8000-00000000000a") &&
	       has(text, "TLS Web Client Authentication") && !strstr(text, "TLS Web Server") &&
	       has(text, "CA:FALSE") && has(text, "URI:sense:agent:0190aaaa-2222-7000-8000-00000000000b") &&
	       has(text, "Version: 3"),
	   "as openssl x509 reads it");
	command(&code, "openssl verify -x509_strict -purpose sslclient -CAfile %s/ca.pem %s/agent.pem", dir,
	        dir);
	is_num(code, 0, "it is good for a client");
	command(&code, "openssl verify -purpose sslserver -CAfile %s/ca.pem %s/agent.pem", dir, dir);
	ok(code, "and not for a server");
	is_num(sense_certificate_end(certificate) - now, 90 * 86400, "for 90 days");
	ok(!sense_certificate_is_due(certificate, now + 59 * 86400) &&
	       sense_certificate_is_due(certificate, now + 60 * 86400),
	   "due at two thirds");

	ok(!sense_pki_peer(ca.certificate, certificate, now, &peer, &err), "who it is: %s", err.message);
	is_str(peer.agent, agent, "the agent");
	is_str(peer.org, org, "the organization");
	is_str(peer.address, "192.0.2.1", "its address stays");
	is_num(peer.serial_len, 16, "a serial of 128 bits");
	struct sense_peer second = {.serial_len = 0};
	ok(!sense_pki_peer(ca.certificate, again, now, &second, &err) &&
	       memcmp(peer.serial, second.serial, 16),
	   "another one each time");
	ok(sense_pki_peer(ca.certificate, certificate, now - 600, &peer, &err), "not before its time");
	ok(!sense_pki_peer(ca.certificate, certificate, now - 200, &peer, &err), "but some minutes");
	ok(sense_pki_peer(ca.certificate, certificate, now + 91 * 86400, &peer, &err), "nor after it");
	ok(sense_pki_peer(ca.certificate, NULL, now, &peer, &err), "none");
	ok(sense_pki_peer(ca.certificate, ca.certificate, now, &peer, &err), "the CA's own");
	X509 *server;
	ok(!sense_certificate_read(dir, "server.pem", &server, &err) &&
	       sense_pki_peer(ca.certificate, server, now, &peer, &err),
	   "the server's own");
	ok(!agent_make(dir, org, "me", now) &&
	       !agent_make(dir, "0190AAAA-1111-7000-8000-00000000000a", agent, now),
	   "who has no UUID gets none");
	X509_free(server);
	X509_free(certificate);
	X509_free(again);
	sense_ca_public_free(&ca);
}

/* A CA that ends soon signs nothing that goes on after it. */
static void ending(void)
{
	time_t now = time(NULL), made_at = now - (time_t)(SENSE_CERTIFICATE_CA_DAYS - 30) * 86400;
	EVP_PKEY *key = sense_key_make(SENSE_KEY_P256, &err);
	const char *names[] = {"sense.example"};
	struct sense_issuer issuer = {0};
	sense_signer_key_of(key, &issuer.key);
	issuer.certificate = sense_certificate_ca("Old CA", key, &issuer.key, made_at, &err);
	X509 *certificate = sense_certificate_agent(&issuer, org, agent, key, now, &err);
	X509 *server = sense_certificate_server(&issuer, names, 1, key, now, &err);
	ok(certificate && server, "a CA with 30 days to go still signs");
	is_num(sense_certificate_end(certificate), sense_certificate_end(issuer.certificate),
	       "an agent for as long as it has");
	is_num(sense_certificate_end(server), sense_certificate_end(issuer.certificate), "a server, too");
	X509_free(certificate);
	X509_free(server);
	X509_free(issuer.certificate);
	sense_signer_key_free(&issuer.key);
	EVP_PKEY_free(key);
}

/* Another agent's number in a certificate that is ours in all else. */
static void changed(void)
{
	struct sense_ca_public ca;
	struct sense_peer peer;
	unsigned char *der = NULL;
	X509 *certificate = agent_make(dir, org, agent, time(NULL));
	int len = i2d_X509(certificate, &der), places = 0;
	ok(len > 0 && !sense_ca_public_read(dir, &ca, &err), "a certificate");
	for (unsigned char *at = der; (at = memmem(at, (size_t)(der + len - at), agent, 36)); at += 36) {
		at[35] = 'c';
		places++;
	}
	is_num(places, 2, "names its agent twice");
	const unsigned char *in = der;
	X509 *forged = d2i_X509(NULL, &in, len);
	ok(forged && sense_pki_peer(ca.certificate, forged, time(NULL), &peer, &err),
	   "it cannot be made another's");
	X509_free(forged);
	X509_free(certificate);
	OPENSSL_free(der);
	sense_ca_public_free(&ca);
}

/* Signed with our key, by somebody's own idea of a subject: only what this CA writes is taken. */
static unsigned subject_taken(const char *subject, const char *extensions)
{
	int code;
	X509 *certificate = NULL;
	struct sense_ca_public ca;
	struct sense_peer peer;
	const char *text = command(&code,
	                           "cd %s && printf '%%b' '%s' >ext && openssl req -new -nodes " P256
	                           "-multivalue-rdn -keyout k -out r -subj '%s' && "
	                           "openssl x509 -req -in r -CA ca.pem -CAkey ca.key -passin "
	                           "file:ca.passphrase -sha256 -days 5 -extfile ext "
	                           "-out forged.pem && chmod 644 forged.pem",
	                           dir, extensions, subject);
	if (code || sense_certificate_read(dir, "forged.pem", &certificate, &err) ||
	    sense_ca_public_read(dir, &ca, &err)) {
		fprintf(stderr, "# %s\n", text);
		return 99;
	}
	bool taken = !sense_pki_peer(ca.certificate, certificate, time(NULL) + 1, &peer, &err);
	X509_free(certificate);
	sense_ca_public_free(&ca);
	return taken;
}

#define O "/O=0190aaaa-1111-7000-8000-00000000000a"
#define CN "/CN=0190aaaa-2222-7000-8000-00000000000b"
#define EKU "extendedKeyUsage=clientAuth\\n"
#define URI "subjectAltName=URI:sense:agent:0190aaaa-2222-7000-8000-00000000000b\\n"

static void subjects(void)
{
	is_num(subject_taken(O CN, EKU URI), 1, "the subject as this CA writes it");
	is_num(subject_taken(CN O, EKU URI), 0, "the other way round");
	is_num(subject_taken(O CN CN, EKU URI), 0, "a name twice");
	is_num(subject_taken(O CN "/OU=x", EKU URI), 0, "something more");
	is_num(subject_taken(CN, EKU URI), 0, "no organization");
	is_num(subject_taken(O "+CN=0190aaaa-2222-7000-8000-00000000000b", EKU URI), 0, "both in one");
	is_num(subject_taken("/O=0190AAAA-1111-7000-8000-00000000000a" CN, EKU URI), 0,
	       "an organization in capitals");
	is_num(subject_taken("/O=acme" CN, EKU URI), 0, "an organization's name");
	is_num(subject_taken(O CN, EKU), 0, "no URI");
	is_num(
	    subject_taken(O CN, EKU "subjectAltName=URI:sense:agent:0190aaaa-2222-7000-8000-00000000000c\\n"),
	    0, "another agent's URI");
	is_num(subject_taken(O CN, URI), 0, "for any use");
	is_num(subject_taken(O CN, "extendedKeyUsage=serverAuth\\n" URI), 0, "for servers");
	is_num(subject_taken(O CN, "extendedKeyUsage=serverAuth,clientAuth\\n" URI), 0, "for both");
	is_num(subject_taken(O CN, EKU URI "basicConstraints=CA:TRUE\\n"), 0, "one that may sign");
}

/* The same names, from a CA that calls itself as ours does. */
static void stranger(void)
{
	struct sense_ca_public ca;
	struct sense_peer peer;
	bool passphrase;
	const char *names[] = {"sense.example"};
	struct sense_ca_init what = {.dir = other, .name = "Test CA", .names = names, .name_count = 1};
	ok(!sense_ca_init(&what, &passphrase, &err) && !sense_ca_public_read(dir, &ca, &err),
	   "another CA of the same name");
	X509 *certificate = agent_make(other, org, agent, time(NULL));
	is_num(sense_pki_peer(ca.certificate, certificate, time(NULL), &peer, &err), SENSE_E_FORMAT,
	       "is none of ours");
	X509_free(certificate);
	sense_ca_public_free(&ca);
}

static void names(void)
{
	static const char *const good[] = {"a", "a.b-c.d", "*.example", "192.0.2.1", "::1", "x_y.example"};
	static const char *const bad[] = {"",      ".", "a..b",  "-a",    "a-",       "a b", "a,DNS:b",
	                                  "1.2.3", "*", "*.*.a", "a.*.b", "host:443", "a\nb"};
	for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
		ok(sense_certificate_name_good(good[i]), "a name: %s", good[i]);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(!sense_certificate_name_good(bad[i]), "no name (%u)", i);
	char a[37], b[37];
	uint8_t bytes[16];
	ok(sense_uuid_make(a) && sense_uuid_make(b) && strcmp(a, b) && sense_uuid_bytes(a, bytes), "UUIDs");
	sense_uuid_text(bytes, b);
	is_str(b, a, "to bytes and back");
}

int main(void)
{
	int code;
	strcpy(dir, "/tmp/sense-pki-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(other, sizeof other, "%s/other", dir);
	made();
	unlocked();
	requests();
	request_bytes();
	agents();
	ending();
	changed();
	subjects();
	stranger();
	names();
	command(&code, "rm -rf %s", dir);
	return tap_done();
}
