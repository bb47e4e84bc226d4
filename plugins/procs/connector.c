#include "connector.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A message is a netlink header, one of the connector's, and the event. */
#define EVENT_AT (NLMSG_HDRLEN + sizeof(struct cn_msg))
#define DATA_AT (EVENT_AT + offsetof(struct proc_event, event_data))
enum { MESSAGE_MAX = 512, ANSWER_MS = 500 };

/* As <linux/cn_proc.h> names them: kernels differ in where the enumeration is. */
enum { EV_NONE = 0, EV_FORK = 1, EV_EXEC = 2, EV_UID = 4, EV_COMM = 0x200 };
#define EV_EXIT 0x80000000u

/* Numbers in messages are in the machine's order, which the filter reads as the network's. */
static uint32_t order(uint32_t value)
{
	const union {
		uint32_t number;
		uint8_t first;
	} probe = {.number = 1};
	return probe.first ? __builtin_bswap32(value) : value;
}

/* Keeps events of first threads, whose pid is that of the process: of forks, those that the child is. */
static bool filter_attach(int fd)
{
	enum { PAIR = 7, CHILD = 11, ACCEPT = 15, DROP = 16 };
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(at))
#define JUMP(value, here, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, order(value), (yes) - (here)-1, no)
	struct sock_filter code[] = {
	    LOAD(EVENT_AT), /* 0 */
	    JUMP(EV_NONE, 1, ACCEPT, 0),
	    JUMP(EV_FORK, 2, CHILD, 0),
	    JUMP(EV_EXEC, 3, PAIR, 0),
	    JUMP(EV_COMM, 4, PAIR, 0),
	    JUMP(EV_UID, 5, PAIR, 0),
	    JUMP(EV_EXIT, 6, PAIR, DROP - 6 - 1),
	    LOAD(DATA_AT + 4), /* PAIR: tgid */
	    BPF_STMT(BPF_MISC | BPF_TAX, 0),
	    LOAD(DATA_AT), /* pid */
	    BPF_STMT(BPF_JMP | BPF_JA, 3),
	    LOAD(DATA_AT + 12), /* CHILD: child_tgid */
	    BPF_STMT(BPF_MISC | BPF_TAX, 0),
	    LOAD(DATA_AT + 8), /* child_pid */
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX), /* ACCEPT */
	    BPF_STMT(BPF_RET | BPF_K, 0),          /* DROP */
	};
#undef LOAD
#undef JUMP
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
	return !setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* ---- messages ------------------------------------------------------------------------------------ */

static uint32_t word_at(const uint8_t *p)
{
	uint32_t value;
	memcpy(&value, p, sizeof value);
	return value;
}

static int code_of(uint32_t status)
{
	uint32_t signal = status & 0x7f;
	return signal ? 128 + (int)signal : (int)(status >> 8 & 0xff);
}

/* True: it is a change. The numbers behind the head are those of <linux/cn_proc.h>. */
static bool message_take(const uint8_t *message, size_t len, struct change *out)
{
	const uint8_t *event = message + EVENT_AT, *data = message + DATA_AT;
	struct cn_msg head;
	if (len < DATA_AT + 16)
		return false;
	memcpy(&head, message + NLMSG_HDRLEN, sizeof head);
	if (head.id.idx != CN_IDX_PROC || head.id.val != CN_VAL_PROC)
		return false;
	memcpy(&out->time_ns, event + offsetof(struct proc_event, timestamp_ns), sizeof out->time_ns);
	out->pid = word_at(data + 4);
	out->parent = 0;
	out->code = -1;
	switch (word_at(event)) {
	case EV_FORK:
		out->kind = CHANGE_FORK;
		out->parent = word_at(data + 4);
		out->pid = word_at(data + 12);
		return true;
	case EV_EXEC:
		out->kind = CHANGE_EXEC;
		return true;
	case EV_COMM:
		out->kind = CHANGE_NAME;
		return true;
	case EV_UID:
		out->kind = CHANGE_USER;
		return true;
	case EV_EXIT:
		out->kind = CHANGE_EXIT;
		out->code = code_of(word_at(data + 8));
		return true;
	default:
		return false;
	}
}

unsigned connector_read(int fd, struct change changes[CONNECTOR_BATCH], bool *lost)
{
	static uint8_t messages[CONNECTOR_BATCH][MESSAGE_MAX];
	struct sockaddr_nl from[CONNECTOR_BATCH] = {0};
	struct iovec parts[CONNECTOR_BATCH];
	struct mmsghdr heads[CONNECTOR_BATCH];
	unsigned count = 0;
	for (unsigned i = 0; i < CONNECTOR_BATCH; i++) {
		parts[i] = (struct iovec){.iov_base = messages[i], .iov_len = sizeof *messages};
		heads[i].msg_hdr = (struct msghdr){
		    .msg_name = &from[i], .msg_namelen = sizeof *from, .msg_iov = &parts[i], .msg_iovlen = 1};
	}
	int n = recvmmsg(fd, heads, CONNECTOR_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0 && errno == ENOBUFS) {
		*lost = true;
		n = recvmmsg(fd, heads, CONNECTOR_BATCH, MSG_DONTWAIT, NULL);
	}
	for (int i = 0; i < n; i++) {
		/* Others may write to this socket, too: the kernel is number 0. */
		bool kernel = heads[i].msg_hdr.msg_namelen == sizeof *from && !from[i].nl_pid;
		if (kernel && message_take(messages[i], heads[i].msg_len, &changes[count]))
			count++;
	}
	return count;
}

/* ---- opening ------------------------------------------------------------------------------------- */

static bool operate(int fd, uint32_t operation)
{
	uint8_t message[DATA_AT] = {0}; /* longer than head and operation */
	struct nlmsghdr head = {.nlmsg_len = EVENT_AT + sizeof operation, .nlmsg_type = NLMSG_DONE};
	struct cn_msg connector = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof operation};
	memcpy(message, &head, sizeof head);
	memcpy(message + NLMSG_HDRLEN, &connector, sizeof connector);
	memcpy(message + EVENT_AT, &operation, sizeof operation);
	return send(fd, message, head.nlmsg_len, 0) == (ssize_t)head.nlmsg_len;
}

/* The kernel answers those that it will talk to, and keeps silent in another namespace of pids. */
static bool answered(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint8_t message[MESSAGE_MAX];
	uint32_t error;
	if (poll(&wait, 1, ANSWER_MS) <= 0)
		return false;
	ssize_t n = recv(fd, message, sizeof message, MSG_DONTWAIT);
	if (n < (ssize_t)(DATA_AT + sizeof error))
		return false;
	memcpy(&error, message + DATA_AT, sizeof error);
	errno = (int)error;
	return word_at(message + EVENT_AT) != EV_NONE || !error;
}

/* Older kernels go on counting a listener that only goes away. */
void connector_close(int fd)
{
	if (fd < 0)
		return;
	(void)operate(fd, PROC_CN_MCAST_IGNORE);
	close(fd);
}

int connector_open(const char **why)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
	int size = CONNECTOR_BUFFER;
	int fd = socket(PF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
	*why = fd < 0 ? strerror(errno) : NULL;
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	/* Before anything arrives: what came unfiltered would have to be told apart here. */
	if (!*why && (!filter_attach(fd) || bind(fd, (struct sockaddr *)&address, sizeof address)))
		*why = strerror(errno);
	if (!*why && !operate(fd, PROC_CN_MCAST_LISTEN))
		*why = strerror(errno);
	errno = 0;
	if (!*why && !answered(fd))
		*why = errno ? strerror(errno) : "no answer: not in the first namespace of pids";
	if (!*why)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}
