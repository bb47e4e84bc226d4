#include "core/show/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/log.h"

#define FLUSH_BYTES 32768u

unsigned sense_terminal_width(void)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");
	unsigned long asked = columns ? strtoul(columns, NULL, 10) : 0;
	if (asked > 0 && asked < 10000)
		return (unsigned)asked;
	if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return size.ws_col;
	return 0;
}

bool sense_terminal_color(enum sense_cli_color color)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
	if (color != SENSE_COLOR_AUTO)
		return color == SENSE_COLOR_ALWAYS;
	return isatty(STDOUT_FILENO) && !(none && *none) && !(term && !strcmp(term, "dumb"));
}

bool sense_output_flush(struct sense_output *output)
{
	const char *at = output->buf.data;
	size_t left = output->buf.len;
	if (output->buf.failed) {
		sense_log(SENSE_LOG_ERROR, output->subsystem, "no memory for the output");
		output->failed = true;
	}
	while (left && !output->reader_gone && !output->failed) {
		ssize_t written = write(STDOUT_FILENO, at, left);
		if (written >= 0) {
			at += written;
			left -= (size_t)written;
		} else if (errno == EPIPE) {
			output->reader_gone = true;
		} else if (errno != EINTR) {
			sense_log(SENSE_LOG_ERROR, output->subsystem, "cannot write the output: %s",
			          strerror(errno));
			output->failed = true;
		}
	}
	sense_buf_clear(&output->buf);
	return !output->reader_gone && !output->failed;
}

bool sense_output_flush_when_full(struct sense_output *output)
{
	return output->buf.len < FLUSH_BYTES || sense_output_flush(output);
}
