#include "core/rules/activity.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/rules/memory.h"
#include "core/rules/trait.h"
#include "proto/wire.h"

#define MAGIC UINT64_C(0x73656e7365616331) /* changes with the layout */
#define WAYS 4
#define TRIES 64 /* against other workers at the same word; each one lost is another's gain */
#define TEXT_WORDS 9
#define STORED_MAX (8 * TEXT_WORDS) /* bytes of a text, with its NUL */
#define TIMES_MAX 999999999         /* how often, as it is shown behind the text when that is read */
#define RULE_ID_MAX 40              /* bytes of a rule's id in a text */
#define KIND_SHOWN_MAX 24

/* tag: whose indicator it is, and of which kind: high bits of the activity's key, and a hash. */
#define KIND_MASK UINT64_C(0xffffff)

/* state: when it was given, in seconds since the epoch, flags, weight, and a check that the tag gives. */
#define CHECK_MASK UINT64_C(0x1fffff)
#define WEIGHT_SHIFT 21
#define WEIGHT_MASK UINT64_C(127)
#define CONCLUSIVE (UINT64_C(1) << 28)
#define REPORTED (UINT64_C(1) << 29)
#define TIME_SHIFT 30
#define TIME_MAX (UINT64_MAX >> TIME_SHIFT)

/* told: high bits of the key, whether a conclusive indicator was told of, and the confidence. */
#define TOLD_KEY_MASK (~UINT64_C(0xff))
#define TOLD_CONCLUSIVE UINT64_C(0x80)
#define TOLD_CONFIDENCE UINT64_C(0x7f)

struct slot {
	_Atomic uint64_t tag;
	_Atomic uint64_t state;
	_Atomic uint64_t count; /* times it was given */
	_Atomic uint64_t first; /* when for the first time */
	_Atomic uint64_t text[TEXT_WORDS];
	uint64_t reserved[3];
};

struct sense_activity_body {
	struct slot slots[SENSE_ACTIVITY_KINDS_MAX]; /* of two cache lines each */
};

struct entry {
	_Atomic uint64_t key; /* 0: free */
	_Atomic uint64_t touched;
	_Atomic uint64_t told;
	uint64_t reserved;
};

struct bucket {
	struct entry entries[WAYS]; /* two cache lines */
};

/* Behind the buckets come the bodies, one for each entry. */
struct sense_activity_table {
	_Atomic uint64_t magic;
	uint64_t bucket_count;
	uint64_t seed;         /* of the keys: stays the same over the restart of a worker */
	_Atomic uint64_t tick; /* order of touches; time will not do, it can leap back */
	uint64_t reserved[4];
	struct bucket buckets[];
};

_Static_assert(sizeof(struct sense_activity_table) == SENSE_MEMORY_HEAD, "buckets begin at a cache line");
_Static_assert(sizeof(struct slot) == 128, "a slot is two cache lines");
_Static_assert(STORED_MAX + sizeof(", 999999999 times)") <= SENSE_ACTIVITY_TEXT_MAX,
               "texts have room to end");

/* ---- memory --------------------------------------------------------------------------------------- */

static size_t bytes_of(uint64_t buckets)
{
	return sizeof(struct sense_activity_table) +
	       buckets * (sizeof(struct bucket) + WAYS * sizeof(struct sense_activity_body));
}

size_t sense_activities_bytes(unsigned entries)
{
	size_t buckets = 1;
	while (buckets * WAYS < entries)
		buckets *= 2;
	return bytes_of(buckets);
}

/* Bodies need no clearing, and are not touched before they are needed: no tag fits a key that is new. */
enum sense_status sense_activities_attach(struct sense_activities *activities, void *memory, size_t bytes,
                                          uint64_t half_life_us, sense_error *err)
{
	struct sense_activity_table *table = memory;
	uint64_t buckets = 1;

	if (!memory || bytes < bytes_of(1))
		return sense_fail(err, SENSE_E_LIMIT, "rules",
		                  "%zu bytes are too few to add up activities in", bytes);
	while (bytes_of(2 * buckets) <= bytes)
		buckets *= 2;
	if (atomic_load(&table->magic) != MAGIC || table->bucket_count != buckets) {
		sense_memory_clear(memory, sizeof(*table) + buckets * sizeof(struct bucket));
		table->bucket_count = buckets;
		table->seed = sense_hash_seed();
		atomic_store(&table->magic, MAGIC);
	}
	/* From here on the size is what we computed, whatever others write there. */
	*activities = (struct sense_activities){
	    .table = table,
	    .bodies = (struct sense_activity_body *)(void *)&table->buckets[buckets],
	    .bucket_mask = buckets - 1,
	    .seed = table->seed,
	    .half_life_s = half_life_us < 1000000 ? 1 : (double)half_life_us / 1e6,
	};
	return SENSE_OK;
}

static uint64_t get(const _Atomic uint64_t *word)
{
	return atomic_load_explicit((_Atomic uint64_t *)word, memory_order_relaxed);
}

static void put(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

static uint64_t seconds_of(uint64_t ts_us)
{
	return ts_us / 1000000 & TIME_MAX;
}

/* ---- whose ---------------------------------------------------------------------------------------- */

bool sense_activity_subject(const struct sense_indicator *indicator, const struct sense_event *event,
                            char out[SENSE_ACTIVITY_SUBJECT_MAX])
{
	static const enum sense_field usual[] = {SENSE_FIELD_SERVICE_ID, SENSE_FIELD_TOOL,
	                                         SENSE_FIELD_SIGNAL,     SENSE_FIELD_CLIENT,
	                                         SENSE_FIELD_MCP_SERVER, SENSE_FIELD_HOST};
	if (indicator->has_about)
		return sense_event_text(event, indicator->about, out, SENSE_ACTIVITY_SUBJECT_MAX);
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		if (sense_event_text(event, usual[i], out, SENSE_ACTIVITY_SUBJECT_MAX))
			return true;
	return false;
}

const char *sense_activity_kind(const struct sense_indicator *indicator, const struct sense_event *event)
{
	return indicator->kind ? indicator->kind : sense_event_group(event->kind);
}

static uint64_t hash_field(const struct sense_event *event, enum sense_field field, uint64_t hash)
{
	struct sense_value value;
	sense_event_get(event, field, &value);
	if (value.type == SENSE_VALUE_STRING)
		return sense_hash(value.string.text, value.string.len, hash + 1);
	if (value.type == SENSE_VALUE_ADDR)
		return sense_hash(&value.addr, sizeof value.addr, hash + 2);
	return sense_hash("", 0, hash + 3);
}

/* The user, or where it came from; this host where neither is known. */
static uint64_t key_of(const struct sense_activities *activities, const struct sense_event *event,
                       const char *subject)
{
	struct sense_value user;
	sense_event_get(event, SENSE_FIELD_USER, &user);
	bool named = user.type == SENSE_VALUE_STRING;
	uint64_t hash = hash_field(event, named ? SENSE_FIELD_USER : SENSE_FIELD_SRC_IP, activities->seed);
	hash = hash_field(event, SENSE_FIELD_PROCESS_NAME, hash);
	hash = sense_hash(subject, strlen(subject), hash);
	return hash ? hash : 1;
}

static struct bucket *bucket_of(const struct sense_activities *activities, uint64_t key)
{
	return &activities->table->buckets[key >> 20 & activities->bucket_mask];
}

static struct sense_activity_body *body_of(const struct sense_activities *activities,
                                           const struct entry *entry)
{
	size_t at = (size_t)((const char *)entry - (const char *)activities->table->buckets);
	return &activities->bodies[at / sizeof *entry];
}

static struct entry *known_entry(const struct sense_activities *activities, uint64_t key)
{
	struct bucket *bucket = bucket_of(activities, key);
	for (unsigned i = 0; i < WAYS; i++)
		if (get(&bucket->entries[i].key) == key)
			return &bucket->entries[i];
	return NULL;
}

/* The entry that has the key; else a free one, else the one touched least recently. *seen: what it had. */
static struct entry *pick(struct bucket *bucket, uint64_t key, uint64_t *seen)
{
	struct entry *best = NULL;
	uint64_t least = 0;
	for (unsigned i = 0; i < WAYS; i++) {
		struct entry *entry = &bucket->entries[i];
		uint64_t has = get(&entry->key), touched = has ? get(&entry->touched) : 0;
		if (best && has != key && touched >= least)
			continue;
		best = entry;
		least = touched;
		*seen = has;
		if (has == key)
			break;
	}
	return best;
}

/*
 * The activity's entry, which may have to be made. One pass finds its place or what to make it from, so that
 * of two who want the same one makes it, and the other finds it. NULL: others were faster every time. What
 * an activity left behind in the same place before it was forgotten counts again: it is true all the same.
 */
static struct entry *entry_of(struct sense_activities *activities, uint64_t key,
                              struct sense_activity_step *step)
{
	struct bucket *bucket = bucket_of(activities, key);
	uint64_t tick = atomic_fetch_add_explicit(&activities->table->tick, 1, memory_order_relaxed) + 1;
	for (int i = 0; i < TRIES; i++) {
		uint64_t before = 0;
		struct entry *entry = pick(bucket, key, &before);
		bool there = before == key;
		if (!there && !atomic_compare_exchange_strong(&entry->key, &before, key))
			continue;
		step->begun = !there;
		step->evicted = !there && before;
		put(&entry->touched, tick);
		return entry;
	}
	return NULL;
}

/* ---- one indicator -------------------------------------------------------------------------------- */

/* What a state says at some moment. */
struct evidence {
	double weight;  /* what is left of it */
	uint64_t given; /* weight, as it was given */
	uint64_t at;    /* when, in seconds */
	uint64_t flags; /* CONCLUSIVE, REPORTED: stay for as long as it is remembered */
};

static uint64_t check_of(uint64_t tag)
{
	return sense_hash_fold(tag ^ SENSE_HASH_K0, SENSE_HASH_K1) & CHECK_MASK;
}

static uint64_t pack(uint64_t tag, const struct evidence *evidence)
{
	return (evidence->at & TIME_MAX) << TIME_SHIFT | evidence->flags | evidence->given << WEIGHT_SHIFT |
	       check_of(tag);
}

/*
 * False: nothing is remembered there. The state of a slot that is being taken over does not fit its tag yet:
 * that is worth the least of what counts, lest another takes it.
 */
static bool unpack(const struct sense_activities *activities, uint64_t tag, uint64_t state, uint64_t now,
                   struct evidence *out)
{
	*out = (struct evidence){.weight = 1};
	if ((state & CHECK_MASK) != check_of(tag))
		return false;
	uint64_t given = state >> WEIGHT_SHIFT & WEIGHT_MASK;
	out->given = given < 100 ? given : 100;
	out->at = state >> TIME_SHIFT;
	out->flags = state & (CONCLUSIVE | REPORTED);
	double away = (double)(now > out->at ? now - out->at : out->at - now);
	out->weight = (double)out->given * exp2(-away / activities->half_life_s);
	return out->weight >= 1;
}

static bool owns(uint64_t key, uint64_t tag)
{
	return (tag & ~KIND_MASK) == (key & ~KIND_MASK);
}

/* What the slot holds of this activity. */
static bool read_slot(const struct sense_activities *activities, const struct slot *slot, uint64_t key,
                      uint64_t now, struct evidence *out)
{
	uint64_t tag = get(&slot->tag);
	return owns(key, tag) && unpack(activities, tag, get(&slot->state), now, out);
}

/*
 * The slot of the tag, which may have to be taken: one with nothing in it, or with the least. One pass finds
 * either, so that of two who want the same tag one takes the slot, and the other finds it taken.
 */
static struct slot *slot_of(const struct sense_activities *activities, struct sense_activity_body *body,
                            uint64_t tag, uint64_t now)
{
	for (int i = 0; i < TRIES; i++) {
		struct slot *best = NULL;
		uint64_t before = 0;
		double least = INFINITY;
		for (unsigned k = 0; k < SENSE_ACTIVITY_KINDS_MAX; k++) {
			struct slot *slot = &body->slots[k];
			struct evidence evidence = {0};
			uint64_t seen = get(&slot->tag);
			if (seen == tag)
				return slot;
			if (owns(tag, seen))
				unpack(activities, seen, get(&slot->state), now, &evidence);
			if (evidence.weight < least) {
				least = evidence.weight;
				before = seen;
				best = slot;
			}
		}
		if (atomic_compare_exchange_strong(&best->tag, &before, tag))
			return best;
	}
	return NULL;
}

/*
 * The stronger of what is there and what is given stays; *arrived: there was nothing. True when the text has
 * to follow: the same again, which is the usual case, needs none.
 */
static bool add_evidence(const struct sense_activities *activities, struct slot *slot, uint64_t tag,
                         const struct evidence *given, bool *arrived)
{
	uint64_t state = get(&slot->state);
	for (int i = 0; i < TRIES; i++) {
		struct evidence kept;
		bool known = unpack(activities, tag, state, given->at, &kept);
		bool stronger = !known || given->weight >= kept.weight;
		struct evidence next = stronger ? *given : kept;
		next.flags = given->flags | (known ? kept.flags : 0);
		if (!atomic_compare_exchange_weak(&slot->state, &state, pack(tag, &next)))
			continue;
		*arrived = !known;
		return stronger && (!known || kept.given != given->given);
	}
	return false;
}

/* "dns: api.openai.com (rule ai.dns.name": how often, and the end, come when it is read. */
static void put_text(struct slot *slot, const struct sense_rule *rule, const struct sense_event *event)
{
	char trait[STORED_MAX], text[STORED_MAX] = "";
	uint64_t words[TEXT_WORDS];
	const char *kind = sense_activity_kind(&rule->indicator, event);
	int id_len = (int)strnlen(rule->id, RULE_ID_MAX), kind_len = (int)strnlen(kind, KIND_SHOWN_MAX);
	int room = STORED_MAX - 1 - kind_len - id_len - (int)strlen(":  (rule ");
	if (!sense_event_trait(event, trait, sizeof trait))
		snprintf(trait, sizeof trait, "%s", rule->title ? rule->title : "");
	snprintf(text, sizeof text, "%.*s: %.*s (rule %.*s", kind_len, kind, room < 0 ? 0 : room, trait,
	         id_len, rule->id);
	memcpy(words, text, sizeof words);
	for (unsigned i = 0; i < TEXT_WORDS; i++)
		put(&slot->text[i], words[i]);
}

static void give(const struct sense_activities *activities, struct slot *slot, uint64_t tag,
                 const struct sense_rule *rule, const struct sense_event *event, bool *arrived)
{
	const struct sense_indicator *indicator = &rule->indicator;
	struct evidence given = {.weight = indicator->weight,
	                         .given = indicator->weight,
	                         .at = seconds_of(event->ts_us),
	                         .flags = indicator->weight < 100 ? 0
	                                : rule->observes          ? CONCLUSIVE
	                                                          : CONCLUSIVE | REPORTED};
	bool another = add_evidence(activities, slot, tag, &given, arrived);
	if (*arrived) {
		put(&slot->count, 1);
		put(&slot->first, given.at);
	} else {
		atomic_fetch_add_explicit(&slot->count, 1, memory_order_relaxed);
	}
	if (another)
		put_text(slot, rule, event);
}

bool sense_activity_add(struct sense_activities *activities, const struct sense_rule *rule,
                        const struct sense_event *event, struct sense_activity_step *step)
{
	char subject[SENSE_ACTIVITY_SUBJECT_MAX];
	const char *kind = sense_activity_kind(&rule->indicator, event);
	*step = (struct sense_activity_step){0};
	if (!sense_activity_subject(&rule->indicator, event, subject))
		return false;
	step->key = key_of(activities, event, subject);
	uint64_t tag =
	    (step->key & ~KIND_MASK) | (sense_hash(kind, strlen(kind), activities->seed) & KIND_MASK);
	struct entry *entry = entry_of(activities, step->key, step);
	struct slot *slot =
	    entry ? slot_of(activities, body_of(activities, entry), tag, seconds_of(event->ts_us)) : NULL;
	if (slot)
		give(activities, slot, tag, rule, event, &step->arrived);
	return slot;
}

/* ---- all of them together ------------------------------------------------------------------------- */

/* Whoever wrote it, it becomes printable UTF-8 that ends. */
static void clean(char *text)
{
	size_t len = strlen(text), size;
	for (size_t i = 0; i < len; i += size ? size : 1) {
		size = sense_utf8_char(text + i, len - i);
		if (!size || (unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
	}
}

static void get_text(const struct slot *slot, char out[SENSE_ACTIVITY_TEXT_MAX])
{
	uint64_t words[TEXT_WORDS];
	uint64_t count = get(&slot->count);
	for (unsigned i = 0; i < TEXT_WORDS; i++)
		words[i] = get(&slot->text[i]);
	memcpy(out, words, sizeof words);
	out[STORED_MAX - 1] = '\0';
	clean(out);
	size_t len = strlen(out);
	if (count > 1)
		snprintf(out + len, SENSE_ACTIVITY_TEXT_MAX - len, ", %llu times)",
		         (unsigned long long)(count < TIMES_MAX ? count : TIMES_MAX));
	else
		snprintf(out + len, SENSE_ACTIVITY_TEXT_MAX - len, ")");
}

/* What an activity holds at some moment, while other workers may add to it. */
struct snapshot {
	unsigned count;
	const struct slot *slots[SENSE_ACTIVITY_KINDS_MAX]; /* strongest first */
	double weights[SENSE_ACTIVITY_KINDS_MAX];
};

static void snapshot_add(struct snapshot *snapshot, const struct slot *slot, double weight)
{
	unsigned at = snapshot->count++;
	for (; at && snapshot->weights[at - 1] < weight; at--) {
		snapshot->weights[at] = snapshot->weights[at - 1];
		snapshot->slots[at] = snapshot->slots[at - 1];
	}
	snapshot->weights[at] = weight;
	snapshot->slots[at] = slot;
}

static void read_body(const struct sense_activities *activities, const struct sense_activity_body *body,
                      uint64_t key, uint64_t now, struct snapshot *snapshot, struct sense_activity_view *view)
{
	double missed = 1;
	uint64_t since = now;
	*view = (struct sense_activity_view){0};
	snapshot->count = 0;
	for (unsigned i = 0; i < SENSE_ACTIVITY_KINDS_MAX; i++) {
		struct evidence evidence;
		if (!read_slot(activities, &body->slots[i], key, now, &evidence))
			continue;
		uint64_t first = get(&body->slots[i].first);
		missed *= 1 - evidence.weight / 100;
		view->conclusive = view->conclusive || evidence.flags & CONCLUSIVE;
		view->reported = view->reported || evidence.flags & REPORTED;
		since = first < since ? first : since;
		snapshot_add(snapshot, &body->slots[i], evidence.weight);
	}
	view->indicators = (uint8_t)snapshot->count;
	view->confidence = (uint8_t)lround(100 * (1 - missed));
	view->since_us = since * 1000000;
}

static void get_texts(const struct snapshot *snapshot, struct sense_activity_report *report)
{
	for (unsigned i = 0; i < snapshot->count; i++) {
		get_text(snapshot->slots[i], report->texts[i]);
		report->evidence[i] = report->texts[i];
	}
	report->view.evidence_count = snapshot->count;
	report->view.evidence = report->evidence;
}

/* What was told of this activity; nothing when the entry was another's then. */
static bool grown(uint64_t told, uint64_t key, bool arrived, const struct sense_activity_view *view)
{
	if (!view->indicators)
		return false;
	if (arrived || ((told ^ key) & TOLD_KEY_MASK))
		return true;
	return view->confidence >= (told & TOLD_CONFIDENCE) + SENSE_ACTIVITY_RISE ||
	       (view->conclusive && !(told & TOLD_CONCLUSIVE));
}

bool sense_activity_tell(struct sense_activities *activities, uint64_t key, uint64_t ts_us, bool arrived,
                         struct sense_activity_report *report)
{
	struct entry *entry = known_entry(activities, key);
	if (!entry)
		return false; /* another worker needed the room */
	struct snapshot snapshot;
	const struct sense_activity_view *view = &report->view;
	uint64_t told = get(&entry->told);
	for (int i = 0; i < TRIES; i++) {
		read_body(activities, body_of(activities, entry), key, seconds_of(ts_us), &snapshot,
		          &report->view);
		if (!grown(told, key, arrived, view))
			return false;
		uint64_t next = (key & TOLD_KEY_MASK) | view->confidence;
		next |= view->conclusive ? TOLD_CONCLUSIVE : 0;
		if (atomic_compare_exchange_strong(&entry->told, &told, next)) {
			get_texts(&snapshot, report);
			return true;
		}
	}
	return false;
}
