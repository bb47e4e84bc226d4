#include "core/platform/linux_filter.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum sense_status sense_filter_begin(struct sense_filter *filter, uint32_t otherwise, sense_error *err)
{
	*filter = (struct sense_filter){.context = seccomp_init(otherwise)};
	if (!filter->context)
		return sense_fail(err, SENSE_E_MEMORY, "proc", "no memory for the system call filter");
	/* A binary tree instead of a list; an older library without it makes a slower filter. */
	seccomp_attr_set(filter->context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return SENSE_OK;
}

void sense_filter_calls(struct sense_filter *filter, uint32_t action, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		filter->failed |= seccomp_rule_add(filter->context, action, calls[i], 0);
}

void sense_filter_allow_if(struct sense_filter *filter, int call, unsigned argument, uint32_t value)
{
	struct scmp_arg_cmp is = {argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value};
	filter->failed |= seccomp_rule_add_array(filter->context, SCMP_ACT_ALLOW, call, 1, &is);
}

void sense_filter_allow_common(struct sense_filter *filter)
{
	/* isatty. */
	sense_filter_allow_if(filter, SCMP_SYS(ioctl), 1, TCGETS);
	/* fstat; the filter cannot see that the path is empty, so metadata could be read. */
	sense_filter_allow_if(filter, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH);
	sense_filter_allow_if(filter, SCMP_SYS(tgkill), 0, (uint32_t)getpid());
}

enum sense_status sense_filter_load(struct sense_filter *filter, sense_error *err)
{
	int failed = filter->failed ? filter->failed : seccomp_load(filter->context);
	seccomp_release(filter->context);
	if (failed)
		return sense_fail(err, SENSE_E_UNSUPPORTED, "proc",
		                  "cannot load the system call filter (seccomp): error %d", -failed);
	return SENSE_OK;
}
