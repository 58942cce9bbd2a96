// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the text of tracefs' file "trace" and writes what replay.ko replays:
 *
 *   trace2ops <trace >ops
 *
 * Of the text only the events of kmem that allocate and free matter; other
 * events are passed over. A line of one of ours that lacks what it must have, or
 * of no event at all, is named and ends the run. A summary goes to stderr.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops.h"

#define SMALL_MAX	512	/* obmalloc's default, for the summary */

/**
 * struct slot - a block that the recorded kernel had, or the place for one
 * @ptr: its address there, 0 if the slot is free
 * @size: bytes asked for
 * @next: slot of the same hash chain, or of the list of free slots; -1 ends it
 */
struct slot {
	unsigned long long ptr;
	__u32 size;
	int next;
};

/**
 * struct event - a line
 * @name: of the event
 * @is_alloc: whether it allocates
 * @ptr: the block
 * @size: bytes asked for
 */
struct event {
	const char *name;
	bool is_alloc;
	unsigned long long ptr;
	__u32 size;
};

static const struct {
	const char *name;
	bool is_alloc;
} kinds[] = {
	{ "kmalloc", true },
	{ "kmalloc_node", true },
	{ "kmem_cache_alloc", true },
	{ "kmem_cache_alloc_node", true },
	{ "kfree", false },
	{ "kmem_cache_free", false },
};

static struct slot *slots;
static int *chains;
static unsigned int nr_slots, max_slots, nr_chains;
static int free_slot = -1;

static struct replay_op *ops;
static unsigned int nr_ops, max_ops;

static unsigned long nr_line;
static unsigned int nr_allocs, nr_frees, nr_skipped, nr_again, nr_lost;
static unsigned long long live, small, live_peak, small_peak;

/* Doubles an array that is full. */
static void *grow(void *array, unsigned int nr, unsigned int *max, size_t size)
{
	if (nr < *max)
		return array;
	*max = *max ? *max * 2 : 4096;
	array = realloc(array, *max * size);
	if (!array)
		errx(1, "line %lu: out of memory", nr_line);
	return array;
}

static int *chain_of(unsigned long long ptr)
{
	return &chains[(ptr * 0x9e3779b97f4a7c15ULL >> 32) & (nr_chains - 1)];
}

/* Gives the live slots to twice as many chains. */
static void chains_grow(void)
{
	unsigned int i;
	int *chain;

	nr_chains = nr_chains ? nr_chains * 2 : 4096;
	free(chains);
	chains = malloc(nr_chains * sizeof(*chains));
	if (!chains)
		errx(1, "line %lu: out of memory", nr_line);
	for (i = 0; i < nr_chains; i++)
		chains[i] = -1;
	for (i = 0; i < nr_slots; i++) {
		if (!slots[i].ptr)
			continue;
		chain = chain_of(slots[i].ptr);
		slots[i].next = *chain;
		*chain = i;
	}
}

/* The link to the slot of a block: of its chain or of the slot before it. */
static int *slot_find(unsigned long long ptr)
{
	int *link;

	for (link = chain_of(ptr); *link >= 0; link = &slots[*link].next)
		if (slots[*link].ptr == ptr)
			break;
	return link;
}

static int slot_add(unsigned long long ptr)
{
	int *chain, i = free_slot;

	if (i >= 0) {
		free_slot = slots[i].next;
	} else {
		slots = grow(slots, nr_slots, &max_slots, sizeof(*slots));
		slots[nr_slots].ptr = 0;
		if (nr_slots >= nr_chains)
			chains_grow();
		i = nr_slots++;
	}
	chain = chain_of(ptr);
	slots[i].ptr = ptr;
	slots[i].next = *chain;
	*chain = i;
	return i;
}

static void slot_del(int *link)
{
	int i = *link;

	*link = slots[i].next;
	slots[i].ptr = 0;
	slots[i].next = free_slot;
	free_slot = i;
}

static void op_add(int slot, __u32 size)
{
	if (nr_ops == REPLAY_MAX_OPS)
		errx(1, "line %lu: more than %u events", nr_line, REPLAY_MAX_OPS);
	ops = grow(ops, nr_ops, &max_ops, sizeof(*ops));
	ops[nr_ops++] = (struct replay_op){ .slot = slot, .size = size };
}

static void live_add(__u32 size)
{
	live += size;
	if (size <= SMALL_MAX)
		small += size;
	if (live > live_peak)
		live_peak = live;
	if (small > small_peak)
		small_peak = small;
}

static void live_del(__u32 size)
{
	live -= size;
	if (size <= SMALL_MAX)
		small -= size;
}

static void event_alloc(const struct event *event)
{
	int *link = slot_find(event->ptr);
	int slot = *link;

	if (slot < 0) {
		slot = slot_add(event->ptr);
	} else {
		nr_again++;
		live_del(slots[slot].size);
	}
	slots[slot].size = event->size;
	live_add(event->size);
	op_add(slot, event->size);
	nr_allocs++;
}

static void event_free(const struct event *event)
{
	int *link = slot_find(event->ptr);

	if (*link < 0) {
		nr_skipped++;
		return;
	}
	live_del(slots[*link].size);
	op_add(*link, REPLAY_FREE);
	slot_del(link);
	nr_frees++;
}

/*
 * The time before an event's name: seconds, another clock's plain number, or
 * latency-format's "123us", with a mark that may stand apart ("123us : ").
 */
static bool is_stamp(const char *word, size_t len)
{
	return strspn(word, "0123456789.()+!#*@$mus") == len - 1 &&
	       word[len - 1] == ':';
}

static bool event_named(const char *word, size_t len, struct event *event)
{
	size_t i;

	if (word[len - 1] != ':')
		return false;
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strlen(kinds[i].name) != len - 1 ||
		    strncmp(kinds[i].name, word, len - 1))
			continue;
		event->name = kinds[i].name;
		event->is_alloc = kinds[i].is_alloc;
		return true;
	}
	return false;
}

/* What tracefs prints that is no event: comments and stack traces. */
static bool is_remark(const char *line)
{
	return !*line || *line == '#' || !strncmp(line, "=>", 2) ||
	       !strncmp(line, "<stack trace>", 13) ||
	       !strncmp(line, "<user stack trace>", 18);
}

/*
 * Finds the event that a line is of and returns its fields, or NULL if it is
 * none of ours. Its name follows the time or, with nocontext-info, is the first
 * word: elsewhere it is of a task's name or of another event's text.
 */
static const char *event_find(const char *line, struct event *event)
{
	size_t len = strcspn(line, " \t");
	bool stamped = false, other;

	if (event_named(line, len, event) &&
	    !strncmp(line + len, " call_site=", 11))
		return line + len;
	other = line[len - 1] == ':';

	for (; len; len = strcspn(line, " \t")) {
		if (stamped && event_named(line, len, event))
			return line + len;
		/* The function tracer's lines have no colon but a caller. */
		other |= stamped && (line[len] || line[len - 1] == ':');
		stamped = is_stamp(line, len);
		line += len;
		line += strspn(line, " \t");
	}
	if (!other)
		errx(1, "line %lu: no event of a trace", nr_line);
	return NULL;
}

/* The value behind " key=", the end of which must be a word's end. */
static unsigned long long field(const struct event *event, const char *fields,
				const char *key, int base)
{
	size_t len = strlen(key);
	unsigned long long value;
	const char *word = fields;
	char *end;

	for (;; word += strcspn(word, " \t")) {
		word += strspn(word, " \t");
		if (!*word)
			errx(1, "line %lu: %s without %s=", nr_line,
			     event->name, key);
		if (!strncmp(word, key, len) && word[len] == '=')
			break;
	}
	word += len + 1;
	if (base == 16 && !strncmp(word, "(null)", 6))
		return 0;
	errno = 0;
	value = strtoull(word, &end, base);
	if (errno || !isxdigit((unsigned char)*word) ||
	    (*end && *end != ' ' && *end != '\t'))
		errx(1, "line %lu: %s with %s=%.*s, which is no number",
		     nr_line, event->name, key, (int)strcspn(word, " \t"),
		     word);
	return value;
}

static void line_read(const char *line)
{
	struct event event = { };
	unsigned long long size;
	const char *fields;
	unsigned int lost;

	line += strspn(line, " \t");
	if (is_remark(line))
		return;
	if (sscanf(line, "CPU:%*u [LOST %u EVENTS]", &lost) == 1) {
		nr_lost += lost;
		return;
	}
	fields = event_find(line, &event);
	if (!fields)
		return;
	event.ptr = field(&event, fields, "ptr", 16);
	if (event.is_alloc) {
		size = field(&event, fields, "bytes_req", 10);
		if (size >= REPLAY_FREE)
			errx(1, "line %lu: %s with bytes_req=%llu, which is too much",
			     nr_line, event.name, size);
		event.size = size;
	}
	/* An allocation that failed, or a kfree(NULL). */
	if (!event.ptr)
		nr_skipped++;
	else if (event.is_alloc)
		event_alloc(&event);
	else
		event_free(&event);
}

static void ops_write(void)
{
	struct replay_header header = {
		.magic = REPLAY_MAGIC,
		.nr_ops = nr_ops,
		.nr_slots = nr_slots,
		.nr_skipped = nr_skipped,
	};

	if (fwrite(&header, sizeof(header), 1, stdout) != 1 ||
	    (nr_ops && fwrite(ops, sizeof(*ops), nr_ops, stdout) != nr_ops) ||
	    fflush(stdout))
		err(1, "cannot write");
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	chains_grow();
	while ((len = getline(&line, &size, stdin)) >= 0) {
		nr_line++;
		if (memchr(line, 0, len))
			errx(1, "line %lu: not text", nr_line);
		line[strcspn(line, "\r\n")] = '\0';
		line_read(line);
	}
	if (ferror(stdin))
		err(1, "cannot read");
	free(line);
	ops_write();
	if (nr_lost)
		warnx("warning: the trace lost %u events to a full buffer",
		      nr_lost);
	warnx("events=%u allocs=%u frees=%u skipped=%u again=%u live_peak=%llu small_peak=%llu",
	      nr_allocs + nr_frees + nr_skipped, nr_allocs, nr_frees,
	      nr_skipped, nr_again, live_peak, small_peak);
	return 0;
}
