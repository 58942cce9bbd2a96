// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every file that a person reads, parsed to the letter, and compared with the
 * others: they tell of the same heaps.
 */
#include "obm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"

#define PAGE	((u64)sysconf(_SC_PAGESIZE))

/* Heaps that have something of everything. */
static const char *const heaps[] = { "plain", "trimmed", "short", "idle" };

static const char *const heap_files[] = {
	"stats", "classes", "caches", "arenas"
};

#define NR_FILES	ARRAY_SIZE(heap_files)

static const char *heap_path(const char *heap, const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), OBM_HEAPS "/%s/%s", heap, file);
	return path;
}

static bool read_info(struct obm_info *info)
{
	return obm_read_info(OBM_INFO, 65536, info);
}

/* Of all heaps if @heap is NULL. */
static bool read_stats(const char *heap, struct obm_stats *stats)
{
	return obm_read_stats(heap ? heap_path(heap, "stats") :
			      OBM_DEBUG "/stats", 4096, stats);
}

static bool read_classes(const char *heap, struct obm_classes *classes)
{
	return obm_read_classes(heap_path(heap, "classes"), 4096, classes);
}

static bool read_arenas(const char *heap, struct obm_arenas *arenas)
{
	return obm_read_arenas(heap_path(heap, "arenas"), 4096, arenas);
}

FIXTURE(formats) {
	int log;
};

/* Small heaps as small as may be, and as CPython has them. */
FIXTURE_VARIANT(formats) {
	const char *params;
	bool compact;
};

FIXTURE_VARIANT_ADD(formats, compact) {
	.params = "",
	.compact = true,
};

FIXTURE_VARIANT_ADD(formats, whole) {
	.params = "compact=0",
	.compact = false,
};

FIXTURE_SETUP(formats)
{
	const char *lack = obm_lack();

	if (lack)
		SKIP(return, "%s", lack);
	self->log = obm_log_open();
	obm_unload_all();
	OK(obm_load("obmalloc", variant->params));
	OK(obm_load("stress", ""));
	OK(obm_stress("create plain"));
	OK(obm_stress("fill plain n=5000 sizes=0-10000"));
	OK(obm_stress("create trimmed"));
	OK(obm_stress("fill trimmed n=40000 size=200"));
	OK(obm_stress("free trimmed percent=97"));
	OK(obm_write(heap_path("trimmed", "trim"), "1"));
	OK(obm_stress("free plain percent=30"));
	/* Too little for all pages of an arena: it has fewer, or is shorter. */
	OK(obm_stress("create short limit=120000"));
	OK(obm_stress("fill short n=100 size=64"));
	OK(obm_stress("create idle"));
}

FIXTURE_TEARDOWN(formats)
{
	obm_unload_all();
	close(self->log);
}

TEST_F(formats, obminfo)
{
	struct obm_info info;
	size_t per_heap, i;

	OK(read_info(&info));
	ASSERT_EQ(info.nr_rows % 4, 0);
	per_heap = info.nr_rows / 4;
	/* 39 classes up to 512 where a page has 4 KiB, 32 up to 8192, two. */
	if (PAGE == 4096)
		EXPECT_EQ(per_heap, 73);
	for (i = 0; i < 4; i++)
		EXPECT_STREQ(info.rows[i * per_heap].heap, heaps[i]);
	EXPECT_EQ(info.rows[0].class, 8);
	EXPECT_EQ(info.rows[per_heap - 3].class, 8192);
	for (i = 0; i < per_heap; i++) {
		u64 size = info.rows[i].size, pages = info.rows[i].pages;

		/* A run of which next to nothing is left over. */
		EXPECT_TRUE(size <= PAGE / 8 ? pages == 1 :
			    pages * PAGE % size <= pages * PAGE / 64) {
			TH_LOG("class %llu", size);
		}
	}
}

TEST_F(formats, stats_of_all_are_the_sum)
{
	static const u64 zero[NR_STATS];
	struct obm_stats all, one, sum = { };
	unsigned int i, key;

	for (i = 0; i < 4; i++) {
		OK(read_stats(heaps[i], &one));
		EXPECT_GE(one.value[PEAK_BYTES], one.value[HELD_BYTES]);
		for (key = 0; key < NR_STATS; key++)
			sum.value[key] += one.value[key];
	}
	OK(read_stats(NULL, &all));
	for (key = 0; key < NR_STATS; key++)
		EXPECT_EQ(all.value[key], sum.value[key]) {
			TH_LOG("key %u", key);
		}
	EXPECT_EQ(all.value[LIMIT_BYTES], 120000);
	EXPECT_EQ(memcmp(&all.value[NR_BAD_FOREIGN], zero,
			 (NR_STATS - NR_BAD_FOREIGN) * sizeof(u64)), 0);
}

TEST_F(formats, an_idle_heap_holds_itself_alone)
{
	struct obm_arenas arenas;
	struct obm_stats stats;
	u64 *v = stats.value;

	OK(read_stats("idle", &stats));
	EXPECT_GT(v[META_BYTES], 0);
	EXPECT_LE(v[META_BYTES], 8192 + 1280 * obm_possible("cpu"));
	EXPECT_EQ(v[HELD_BYTES], v[META_BYTES]);
	EXPECT_EQ(v[PEAK_BYTES], v[META_BYTES]);
	EXPECT_EQ(v[NR_ARENAS_GOT], 0);
	EXPECT_EQ(v[NR_ALLOCS], 0);
	OK(read_arenas("idle", &arenas));
	EXPECT_EQ(arenas.nr_arenas, 0);
}

TEST_F(formats, classes_agree_with_obminfo)
{
	struct obm_classes classes;
	struct obm_row *row;
	struct obm_info info;
	unsigned int i;
	size_t ci;

	OK(read_info(&info));
	row = info.rows;
	for (i = 0; i < 4; i++, row++) {
		OK(read_classes(heaps[i], &classes));
		ASSERT_EQ(classes.nr_rows + 2, info.nr_rows / 4);
		for (ci = 0; ci < classes.nr_rows; ci++, row++) {
			EXPECT_EQ(classes.rows[ci].size, row->class);
			EXPECT_EQ(classes.rows[ci].used, row->active);
			EXPECT_EQ(classes.rows[ci].pools, row->pools);
			EXPECT_EQ(classes.rows[ci].pages, row->pages);
			EXPECT_EQ(classes.rows[ci].shared, row->shared);
		}
		EXPECT_EQ(row->class, OBM_MIXED);
		EXPECT_EQ(classes.mixed.pools, row->pools);
		EXPECT_EQ(classes.mixed.avail, row->num);
		row++;
	}
}

TEST_F(formats, stats_agree_with_classes)
{
	struct obm_classes classes;
	struct obm_class *class;
	struct obm_stats stats;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		u64 used = 0, avail = 0, quant = 0, pools = 0, blocks = 0;
		u64 units = 0, taken;

		OK(read_classes(heaps[i], &classes));
		OK(read_stats(heaps[i], &stats));
		for (class = classes.rows;
		     class < classes.rows + classes.nr_rows; class++) {
			used += class->used * class->size;
			avail += class->avail * class->size;
			quant += class->pools *
				 (class->pages * PAGE -
				  class->per_pool * class->size);
			pools += class->pools;
			blocks += class->used;
			/* The blocks that lie in pools of several classes. */
			taken = class->shared * obm_units(class->size);
			units += taken;
			quant += taken * obm_unit_bytes() -
				 class->shared * class->size;
		}
		avail += classes.mixed.avail * classes.mixed.size;
		pools += classes.mixed.pools;
		EXPECT_EQ(units + classes.mixed.avail,
			  classes.mixed.pools * classes.mixed.per_pool);
		/* What is in such pools of "trimmed" may have been freed. */
		if (!i || !variant->compact)
			EXPECT_EQ(classes.mixed.pools > 0, variant->compact);
		EXPECT_EQ(stats.value[USED_BYTES], used);
		EXPECT_EQ(stats.value[AVAIL_BYTES], avail);
		EXPECT_EQ(stats.value[QUANT_BYTES], quant);
		EXPECT_EQ(stats.value[NR_POOLS], pools);
		EXPECT_EQ(stats.value[NR_BLOCKS], blocks);
	}
}

/* What hello.ko has: a string and, in a cache, an object. */
TEST_F(formats, caches_agree_with_the_rest)
{
	struct obm_classes caches, classes;
	u64 used = 0, avail = 0, pools = 0;
	struct obm_stats stats;
	struct obm_info info;
	char *text;
	size_t ci;

	OK(read_info(&info));
	EXPECT_EQ(info.nr_caches, 0);
	OK(obm_load("hello", ""));
	OK(read_info(&info));
	ASSERT_EQ(info.nr_caches, 1);
	EXPECT_STREQ(info.caches[0].heap, "hello");
	EXPECT_STREQ(info.caches[0].cache, "greeting");
	EXPECT_EQ(info.caches[0].active, 1);

	text = obm_read(heap_path("hello", "caches"), 4096);
	OK(text && obm_parse_caches(text, &caches));
	free(text);
	ASSERT_EQ(caches.nr_rows, 1);
	EXPECT_STREQ(caches.rows[0].name, "greeting");
	EXPECT_EQ(caches.rows[0].size, info.caches[0].size);
	EXPECT_EQ(caches.rows[0].pools, info.caches[0].pools);
	EXPECT_EQ(caches.rows[0].used, 1);

	OK(read_classes("hello", &classes));
	OK(read_stats("hello", &stats));
	used = caches.rows[0].used * caches.rows[0].size;
	avail = caches.rows[0].avail * caches.rows[0].size +
		classes.mixed.avail * classes.mixed.size;
	pools = caches.rows[0].pools + classes.mixed.pools;
	for (ci = 0; ci < classes.nr_rows; ci++) {
		used += classes.rows[ci].used * classes.rows[ci].size;
		avail += classes.rows[ci].avail * classes.rows[ci].size;
		pools += classes.rows[ci].pools;
	}
	EXPECT_EQ(stats.value[USED_BYTES], used);
	EXPECT_EQ(stats.value[AVAIL_BYTES], avail);
	EXPECT_EQ(stats.value[NR_POOLS], pools);
	EXPECT_EQ(stats.value[NR_BLOCKS], 2);
	OK(obm_unload("hello"));
	OK(read_info(&info));
	EXPECT_EQ(info.nr_caches, 0);
}

TEST_F(formats, arenas_agree_with_stats)
{
	struct obm_classes classes;
	struct obm_arenas arenas;
	struct obm_stats stats;
	u64 pages;
	unsigned int i;
	size_t ci;

	for (i = 0; i < 4; i++) {
		OK(read_arenas(heaps[i], &arenas));
		OK(read_stats(heaps[i], &stats));
		OK(read_classes(heaps[i], &classes));
		pages = classes.mixed.pools;
		for (ci = 0; ci < classes.nr_rows; ci++)
			pages += classes.rows[ci].pools *
				 classes.rows[ci].pages;
		EXPECT_EQ(arenas.nr_arenas, stats.value[NR_ARENAS]);
		EXPECT_EQ(arenas.nr_partial + arenas.nr_full, pages);
		EXPECT_EQ(arenas.nr_unused, stats.value[NR_UNUSED_POOLS]);
		EXPECT_EQ(arenas.nr_unused * PAGE, stats.value[UNUSED_BYTES]);
		EXPECT_EQ((arenas.nr_unused + arenas.nr_partial +
			   arenas.nr_full) * PAGE + stats.value[META_BYTES] +
			  stats.value[RAW_BYTES], stats.value[HELD_BYTES]);
	}
}

TEST_F(formats, arenas_show_every_state)
{
	struct obm_arenas plain, trimmed, again, shorter;
	struct obm_stats stats;
	u64 nr_put;

	OK(read_arenas("plain", &plain));
	OK(read_stats("plain", &stats));
	EXPECT_GT(plain.nr_partial, 0);
	/* Of the first arenas most was never kept, which is not counted. */
	EXPECT_EQ(plain.nr_returned > 0, variant->compact);
	EXPECT_EQ(stats.value[NR_PAGES_PUT], 0);
	OK(obm_stress("fill plain n=1000 size=512"));
	OK(read_arenas("plain", &plain));
	EXPECT_GT(plain.nr_full, 0);

	OK(read_arenas("trimmed", &trimmed));
	OK(read_stats("trimmed", &stats));
	EXPECT_GT(trimmed.nr_returned, 0);
	EXPECT_EQ(trimmed.nr_unused, 0);
	nr_put = stats.value[NR_PAGES_PUT];
	EXPECT_GT(nr_put, 0);
	if (!variant->compact)
		EXPECT_GE(nr_put, trimmed.nr_returned);
	OK(obm_stress("free trimmed percent=50"));
	OK(obm_write(heap_path("trimmed", "trim"), "1"));
	OK(read_arenas("trimmed", &again));
	OK(read_stats("trimmed", &stats));
	EXPECT_EQ(again.nr_unused, 0);
	EXPECT_LE(again.nr_returned,
		  trimmed.nr_returned + stats.value[NR_PAGES_PUT] - nr_put);

	OK(read_arenas("short", &shorter));
	EXPECT_EQ(shorter.nr_missing > 0, !variant->compact);
	EXPECT_EQ(shorter.nr_returned > 0, variant->compact);
	EXPECT_GT(shorter.nr_unused, 0);
}

/* The text does not depend on how it is read. */
TEST_F(formats, any_buffer_will_do)
{
	static const size_t steps[] = { 1, 7, 4095, 4097 };
	const char *files[2 + NR_FILES], *path;
	char *whole, *pieces;
	unsigned int i, k;

	files[0] = OBM_INFO;
	files[1] = OBM_DEBUG "/stats";
	for (i = 0; i < NR_FILES; i++)
		files[2 + i] = strdup(heap_path("trimmed", heap_files[i]));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		path = files[i];
		whole = obm_read(path, 1 << 20);
		OK(whole);
		EXPECT_GT(strlen(whole), 100);
		for (k = 0; k < ARRAY_SIZE(steps); k++) {
			pieces = obm_read(path, steps[k]);
			OK(pieces);
			EXPECT_STREQ(whole, pieces);
			free(pieces);
		}
		free(whole);
	}
}

TEST_F(formats, any_place_will_do)
{
	char *whole = obm_read(OBM_INFO, 1 << 20), piece[256];
	size_t len, at;
	ssize_t got;
	int fd;

	OK(whole);
	len = strlen(whole);
	fd = open(OBM_INFO, O_RDONLY);
	ASSERT_GE(fd, 0);
	/* Backwards, so that no piece follows the one before. */
	for (at = len / 200 * 200; at; at -= 200) {
		got = pread(fd, piece, 200, at);
		ASSERT_EQ(got, (ssize_t)(len - at < 200 ? len - at : 200));
		ASSERT_EQ(memcmp(piece, whole + at, got), 0);
	}
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0);
	EXPECT_EQ(lseek(fd, 8, SEEK_SET), 8);
	ASSERT_EQ(read(fd, piece, 14), 14);
	EXPECT_EQ(memcmp(piece, "- version: 1.0", 14), 0);
	EXPECT_EQ(pread(fd, piece, 200, len), 0);
	EXPECT_EQ(lseek(fd, -1, SEEK_SET), -1);
	close(fd);
	free(whole);
}

TEST_F(formats, no_heap_no_row)
{
	static const u64 zero[NR_STATS];
	struct obm_stats stats;
	struct obm_info info;
	unsigned int i;

	for (i = 0; i < 4; i++)
		OK(obm_stress("destroy %s", heaps[i]));
	OK(read_info(&info));
	EXPECT_EQ(info.nr_rows, 0);
	OK(read_stats(NULL, &stats));
	EXPECT_EQ(memcmp(stats.value, zero, sizeof(zero)), 0);
	EXPECT_EQ(access(heap_path("plain", "stats"), F_OK), -1);
}

/* A table that is far longer than a page, with names as long as may be. */
TEST_F(formats, many_heaps)
{
	struct obm_info info;
	unsigned int i;

	for (i = 0; i < 100; i++)
		OK(obm_stress("create the_longest_name_there_is_%05u", i));
	OK(read_info(&info));
	EXPECT_EQ(info.nr_rows, 104 * (info.nr_rows / 104));
	EXPECT_STREQ(info.rows[info.nr_rows - 1].heap,
		     "the_longest_name_there_is_00099");
	for (i = 0; i < 100; i += 2)
		OK(obm_stress("destroy the_longest_name_there_is_%05u", i));
	OK(read_info(&info));
	EXPECT_EQ(info.nr_rows, 54 * (info.nr_rows / 54));
}

/* Who has a file open while its heap goes reads an error, nothing else. */
TEST_F(formats, an_open_file_outlives_its_heap)
{
	int fds[NR_FILES], trim;
	unsigned int i;
	char piece[64];

	for (i = 0; i < NR_FILES; i++) {
		fds[i] = open(heap_path("plain", heap_files[i]), O_RDONLY);
		ASSERT_GE(fds[i], 0);
		ASSERT_GT(read(fds[i], piece, 5), 0);
	}
	trim = open(heap_path("plain", "trim"), O_WRONLY);
	ASSERT_GE(trim, 0);
	OK(obm_stress("destroy plain"));
	OK(obm_stress("create plain"));
	for (i = 0; i < NR_FILES; i++) {
		EXPECT_EQ(read(fds[i], piece, sizeof(piece)), -1);
		EXPECT_EQ(errno, EIO);
		close(fds[i]);
	}
	EXPECT_EQ(write(trim, "1", 1), -1);
	EXPECT_EQ(errno, EIO);
	close(trim);
}

TEST_F(formats, no_address_anywhere)
{
	char *text, *line;
	unsigned int i, k;

	text = obm_read(OBM_INFO, 65536);
	OK(text && obm_parse_no_address(text));
	text = obm_read(OBM_DEBUG "/stats", 65536);
	OK(text && obm_parse_no_address(text));
	for (i = 0; i < 4; i++) {
		for (k = 0; k < NR_FILES; k++) {
			text = obm_read(heap_path(heaps[i], heap_files[k]),
					65536);
			OK(text && obm_parse_no_address(text));
		}
	}
	/* Leaks are reported, in lines that begin with the module's name. */
	OK(obm_stress("destroy plain"));
	text = obm_log_read(self->log);
	EXPECT_NE(strstr(text, "obmalloc: heap plain: "), NULL);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, "obmalloc: ", 10))
			OK(obm_parse_no_address(line));
}

/* The parsers themselves refuse what is not right, or this proves nothing. */
TEST(parsers_are_strict)
{
	static const char *const rows[] = {
		"h/8 1 512 8 512 1 : tunables 0 0 0 : slabdata 1 1",
		"h/8 1 512 8 512 1 : tunables 0 0 0 : slabdata 1 1 0 0",
		"h/8 1 512 8 512 1 : tunables 0 0 1 : slabdata 1 1 0",
		"h/8 1 512 8 512 2 : tunables 0 0 0 : slabdata 1 1 0",
		"h/1024 1 12 1024 12 3 : tunables 0 0 0 : slabdata 1 1 0",
		"h/544 1 15 544 15 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/544 1 240 544 240 32 : tunables 0 0 0 : slabdata 1 1 0",
		"h/8 1 512 8 512 1 ; tunables 0 0 0 : slabdata 1 1 0",
		"h/8 513 512 8 512 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/8 1 511 8 512 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/8 1 512 16 512 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/8 1 512 8 512 1 : tunables 0 0 0 : slabdata 2 1 0",
		"h/8 01 512 8 512 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/8 -1 512 8 512 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/8\t1 512 8 512 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h8 1 512 8 512 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/x 1 512 8 512 1 : tunables 0 0 0 : slabdata 1 1 0",
		/* More blocks in shared pools than a class may have there. */
		"h/8 1 70000 8 512 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/2304 1 1 2304 7 4 : tunables 0 0 0 : slabdata 0 0 0",
		"",
	};
	static const char *const shared[] = {
		"h/mixed 1 63 64 64 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/mixed 0 64 64 64 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/mixed 0 1 64 64 1 : tunables 0 0 0 : slabdata 0 0 0",
		"h/mixed 0 63 32 64 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/mixed 0 63 64 32 1 : tunables 0 0 0 : slabdata 1 1 0",
		"h/mixed 0 63 64 64 2 : tunables 0 0 0 : slabdata 1 1 0",
		"h/mixed 0 63 64 64 1 : tunables 0 0 0 : slabdata 1 2 0",
		"h/Mixed 0 63 64 64 1 : tunables 0 0 0 : slabdata 1 1 0",
	};
	static const char *const classes[] = {
		"0 8 512 0 1 0 1 0\n",
		"0 8 512 0 1 0 1 0\nmixed 64 64 1 1 63 1 0\n",
		"0 8 512 0 1 0 1 0\nmixed 64 64 1 0 64 0 0\n",
		"0 8 512 0 1 0 1 0\nmixed 64 64 1 0 63 1 1\n",
		"0 8 512 0 1 0 1 0\nmixed 128 32 1 0 31 0 0\n",
		"mixed 64 64 1 0 63 0 0\n0 8 512 0 1 0 1 0\n",
		"mixed 64 64 1 0 63 0 0\n",
		"0 8 512 1 1 510 1 0\nmixed 64 64 1 0 63 0 0\n",
		"0 8 512 0 1 70000 1 0\nmixed 64 64 1 0 63 0 0\n",
	};
	const char *head = "obminfo - version: 1.0\n# name and so on\n";
	const char *row = "h/8 1 512 8 512 1 : tunables 0 0 0 : slabdata 1 1 0";
	const char *few = "h/8 1 514 8 512 1 : tunables 0 0 0 : slabdata 1 1 0";
	const char *mixed = "h/mixed 0 62 64 64 1 : tunables 0 0 0 : slabdata 1 1 0";
	const char *raw = "h/raw 1 1 4096 1 1 : tunables 0 0 0 : slabdata 1 1 0";
	struct obm_classes parsed;
	struct obm_arenas arenas;
	struct obm_info info;
	char text[1024];
	unsigned int i;

	if (PAGE != 4096)
		SKIP(return, "the examples are for pages of 4 KiB");
	snprintf(text, sizeof(text), "%s%s\n%s\n%s\n", head, row, mixed, raw);
	OK(obm_parse_info(text, &info));
	EXPECT_EQ(info.rows[0].shared, 0);
	EXPECT_FALSE(obm_parse_info(text + 1, &info));
	text[strlen(text) - 1] = '\0';
	EXPECT_FALSE(obm_parse_info(text, &info));
	snprintf(text, sizeof(text), "%s%s\n%s\n%s\n", head, few, mixed, raw);
	OK(obm_parse_info(text, &info));
	EXPECT_EQ(info.rows[0].shared, 2);
	snprintf(text, sizeof(text), "%s%s\n%s\n%s\n", head, raw, row, mixed);
	EXPECT_FALSE(obm_parse_info(text, &info));
	snprintf(text, sizeof(text), "%s%s\n%s\n%s\n", head, mixed, row, raw);
	EXPECT_FALSE(obm_parse_info(text, &info));
	snprintf(text, sizeof(text), "%s%s\n%s\n", head, row, raw);
	EXPECT_FALSE(obm_parse_info(text, &info));
	snprintf(text, sizeof(text), "%s%s\n%s\n%s\n%s\n", head, row, row,
		 mixed, raw);
	EXPECT_FALSE(obm_parse_info(text, &info));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(text, sizeof(text), "%s%s\n%s\n%s\n", head, rows[i],
			 mixed, raw);
		EXPECT_FALSE(obm_parse_info(text, &info)) {
			TH_LOG("taken: %s", rows[i]);
		}
	}
	for (i = 0; i < ARRAY_SIZE(shared); i++) {
		snprintf(text, sizeof(text), "%s%s\n%s\n%s\n", head, row,
			 shared[i], raw);
		EXPECT_FALSE(obm_parse_info(text, &info)) {
			TH_LOG("taken: %s", shared[i]);
		}
	}
	OK(obm_parse_classes("# ci\n0 8 512 1 3 510 3 0\n"
			     "mixed 64 64 1 0 63 0 0\n", &parsed));
	EXPECT_EQ(parsed.rows[0].shared, 1);
	for (i = 0; i < ARRAY_SIZE(classes); i++) {
		snprintf(text, sizeof(text), "# ci\n%s", classes[i]);
		EXPECT_FALSE(obm_parse_classes(text, &parsed)) {
			TH_LOG("taken: %s", classes[i]);
		}
	}
	EXPECT_FALSE(obm_parse_arenas("# node arena |x|\n   0  1 |..|\n",
				      &arenas));
	EXPECT_TRUE(obm_parse_no_address("0000ffff and (ffff8880)\n"));
	EXPECT_FALSE(obm_parse_no_address("at ffff888001234567\n"));
}

TEST_HARNESS_MAIN
