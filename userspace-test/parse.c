// SPDX-License-Identifier: GPL-2.0-only
/*
 * Strict parsers: what does not follow the grammar to the letter is refused,
 * and so is what cannot be at any one moment.
 */
#include "obm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FIELDS	32

static const char *const stat_names[NR_STATS] = {
	[USED_BYTES] = "used_bytes",
	[AVAIL_BYTES] = "avail_bytes",
	[UNUSED_BYTES] = "unused_bytes",
	[META_BYTES] = "meta_bytes",
	[QUANT_BYTES] = "quant_bytes",
	[RAW_BYTES] = "raw_bytes",
	[HELD_BYTES] = "held_bytes",
	[PEAK_BYTES] = "peak_bytes",
	[LIMIT_BYTES] = "limit_bytes",
	[NR_BLOCKS] = "nr_blocks",
	[NR_RAW] = "nr_raw",
	[NR_ALLOCS] = "nr_allocs",
	[NR_FREES] = "nr_frees",
	[NR_FAILED] = "nr_failed",
	[NR_LIMITED] = "nr_limited",
	[NR_ARENAS] = "nr_arenas",
	[NR_ARENAS_GOT] = "nr_arenas_got",
	[NR_ARENAS_PUT] = "nr_arenas_put",
	[NR_PAGES_PUT] = "nr_pages_put",
	[NR_POOLS] = "nr_pools",
	[NR_UNUSED_POOLS] = "nr_unused_pools",
	[NR_BAD_FOREIGN] = "nr_bad_foreign",
	[NR_BAD_MISALIGNED] = "nr_bad_misaligned",
	[NR_BAD_INTERIOR] = "nr_bad_interior",
	[NR_BAD_STALE] = "nr_bad_stale",
	[NR_BAD_DOUBLE] = "nr_bad_double",
	[NR_BAD_HEAP] = "nr_bad_heap",
	[NR_BAD_SIZE] = "nr_bad_size",
	[NR_BAD_NOFAIL] = "nr_bad_nofail",
	[NR_BAD_TYPE] = "nr_bad_type",
	[NR_BAD_REF] = "nr_bad_ref",
};

/* A number as printf's %llu writes it: no sign, no leading zero. */
static bool parse_number(const char *text, u64 *value)
{
	size_t len = strspn(text, "0123456789");

	if (!len || text[len] || (text[0] == '0' && len > 1) || len > 19)
		return obm_fail("not a number: '%s'", text);
	*value = strtoull(text, NULL, 10);
	return true;
}

/* The next line, without its newline, of which @line is a copy. */
static bool next_line(const char **text, char *line, size_t size)
{
	size_t len = strcspn(*text, "\n");

	if (!(*text)[len])
		return obm_fail("no newline after '%.60s'", *text);
	if (len >= size)
		return obm_fail("a line of %zu characters", len);
	memcpy(line, *text, len);
	line[len] = '\0';
	*text += len + 1;
	return true;
}

static bool expect_line(const char **text, const char *wanted)
{
	char line[512];

	if (!next_line(text, line, sizeof(line)))
		return false;
	return !strcmp(line, wanted) ||
	       obm_fail("'%s' where '%s' should be", line, wanted);
}

/* Fields that spaces part, and nothing but spaces. */
static size_t split(char *line, char **fields)
{
	size_t nr = 0;

	for (; *line; nr++) {
		line += strspn(line, " ");
		if (!*line || nr == MAX_FIELDS)
			break;
		fields[nr] = line;
		line += strcspn(line, " ");
		if (*line)
			*line++ = '\0';
	}
	return nr;
}

/* Of which @per_pool blocks are as many as fit, or 0 if there is no such. */
static u64 pool_pages(u64 size, u64 per_pool)
{
	u64 page = sysconf(_SC_PAGESIZE), pages;

	if (!size || !per_pool)
		return 0;
	/* Up to an eighth of a page, and no less than 512, a page it is. */
	for (pages = 1; pages <= (size <= 512 ? 1 : 16); pages *= 2)
		if (pages * page / size == per_pool)
			return pages;
	return 0;
}

static bool parse_cache_name(const char *name, char *copy)
{
	size_t len = strlen(name);

	if (!len || len >= OBM_NAME_LEN)
		return obm_fail("'%s' is no name of a cache", name);
	memcpy(copy, name, len + 1);
	return true;
}

/* As pool_pages(), for a cache: of whatever run they are as many as fit. */
static u64 cache_pages(u64 size, u64 per_pool)
{
	u64 page = sysconf(_SC_PAGESIZE), pages;

	for (pages = 1; size && per_pool && pages <= 8; pages *= 2)
		if (pages * page / size == per_pool)
			return pages;
	return 0;
}

/* A page has as many units as a u64 has bits, if they can be that small. */
u64 obm_unit_bytes(void)
{
	u64 bytes = sysconf(_SC_PAGESIZE) / 64;

	return bytes < 8 ? 8 : bytes;
}

u64 obm_units(u64 size)
{
	return (size + obm_unit_bytes() - 1) / obm_unit_bytes();
}

/*
 * Whether of @total blocks of a class those that are not in its @own pools can
 * be in shared ones: on each node as many as would fill a page, and none that
 * fills more than half of it.
 */
static bool shared_is_right(u64 size, u64 total, u64 own, u64 *shared)
{
	u64 max = sysconf(_SC_PAGESIZE) / obm_unit_bytes() / obm_units(size);
	static u64 nodes;

	if (!nodes)
		nodes = obm_possible("node");
	*shared = total - own;
	return total >= own &&
	       (!*shared || (max >= 2 && *shared <= max * nodes));
}

/* No pool without a block: at least one unit of each is taken. */
static bool mixed_is_right(u64 size, u64 per_pool, u64 pools, u64 used,
			   u64 avail)
{
	u64 page = sysconf(_SC_PAGESIZE);

	return size == obm_unit_bytes() && per_pool == page / size && !used &&
	       avail <= pools * (per_pool - 1);
}

static bool parse_name(char *name, struct obm_row *row)
{
	char *class = strrchr(name, '/');
	size_t len = class ? (size_t)(class - name) : 0;

	if (!len || len >= OBM_NAME_LEN || memchr(name, '/', len))
		return obm_fail("'%s' is no HEAP/CLASS", name);
	memcpy(row->heap, name, len);
	row->heap[len] = '\0';
	row->class = 0;
	row->cache[0] = '\0';
	if (!strcmp(class + 1, "raw"))
		return true;
	row->class = OBM_MIXED;
	if (!strcmp(class + 1, "mixed"))
		return true;
	row->class = 0;
	if (class[1 + strspn(class + 1, "0123456789")])
		return parse_cache_name(class + 1, row->cache);
	return parse_number(class + 1, &row->class) &&
	       (row->class || obm_fail("class 0"));
}

static u64 row_size(u64 class)
{
	if (class == OBM_MIXED)
		return obm_unit_bytes();
	return class ? class : (u64)sysconf(_SC_PAGESIZE);
}

static bool row_adds_up(struct obm_row *row)
{
	u64 own = row->pools * row->per_pool;

	row->shared = 0;
	if (row->class == OBM_MIXED)
		return mixed_is_right(row->size, row->per_pool, row->pools,
				      row->active, row->num);
	if (!row->class)
		return row->num == own;
	return shared_is_right(row->size, row->num, own, &row->shared);
}

/*
 * name active num size per_pool pages : tunables 0 0 0 : slabdata active_slabs
 * num_slabs 0
 */
static bool parse_row(char *line, struct obm_row *row)
{
	static const char *const fixed[16] = {
		[6] = ":", [7] = "tunables", [8] = "0", [9] = "0",
		[10] = "0", [11] = ":", [12] = "slabdata", [15] = "0",
	};
	u64 active_pools, pages;
	char *fields[MAX_FIELDS];
	size_t nr = split(line, fields), i;

	if (nr != 16)
		return obm_fail("%zu fields after '%s'", nr, line);
	for (i = 0; i < nr; i++)
		if (fixed[i] && strcmp(fields[i], fixed[i]))
			return obm_fail("field %zu of %s is '%s'", i + 1,
					fields[0], fields[i]);
	if (!parse_name(fields[0], row) ||
	    !parse_number(fields[1], &row->active) ||
	    !parse_number(fields[2], &row->num) ||
	    !parse_number(fields[3], &row->size) ||
	    !parse_number(fields[4], &row->per_pool) ||
	    !parse_number(fields[5], &row->pages) ||
	    !parse_number(fields[13], &active_pools) ||
	    !parse_number(fields[14], &row->pools))
		return false;

	pages = row->cache[0] ? cache_pages(row->size, row->per_pool) :
				pool_pages(row->size, row->per_pool);
	if (row->pages != pages || row->size % 8 ||
	    (!row->cache[0] && row->size != row_size(row->class)))
		return obm_fail("sizes of %s/%llu", row->heap, row->class);
	if (row->active > row->num || active_pools != row->pools ||
	    !row_adds_up(row))
		return obm_fail("%s/%llu: %llu of %llu blocks in %llu pools",
				row->heap, row->class, row->active, row->num,
				row->pools);
	return true;
}

/* Each heap has the same classes, in rising order, then mixed and raw. */
static bool check_order(const struct obm_info *info)
{
	const struct obm_row *rows = info->rows;
	size_t nr = info->nr_rows, per_heap = 0, i;

	while (per_heap < nr && rows[per_heap].class)
		per_heap++;
	if (!nr)
		return true;
	if (nr % ++per_heap)
		return obm_fail("%zu rows, %zu a heap", nr, per_heap);
	if (per_heap < 3 || rows[per_heap - 2].class != OBM_MIXED)
		return obm_fail("no row of shared pools before the last");
	for (i = 0; i < nr; i++) {
		if (rows[i].class != rows[i % per_heap].class)
			return obm_fail("row %zu is of class %llu", i,
					rows[i].class);
		if (i % per_heap && strcmp(rows[i].heap, rows[i - 1].heap))
			return obm_fail("rows of %s amid others", rows[i].heap);
		if (i % per_heap && rows[i].class &&
		    rows[i].class <= rows[i - 1].class)
			return obm_fail("class %llu after %llu", rows[i].class,
					rows[i - 1].class);
		if (i && i % per_heap == 0 &&
		    !strcmp(rows[i].heap, rows[i - 1].heap))
			return obm_fail("heap %s twice", rows[i].heap);
	}
	return true;
}

/* Caches come behind the raw blocks of their heap. */
static bool add_cache(struct obm_info *info, const struct obm_row *row)
{
	const struct obm_row *raw = row - 1;

	if (!info->nr_rows || raw->class || strcmp(raw->heap, row->heap))
		return obm_fail("cache %s/%s amid others", row->heap,
				row->cache);
	info->caches = realloc(info->caches, (info->nr_caches + 1) *
			       sizeof(*info->caches));
	if (!info->caches)
		abort();
	info->caches[info->nr_caches++] = *row;
	return true;
}

bool obm_parse_info(const char *text, struct obm_info *info)
{
	struct obm_row *row;
	char line[512];

	*info = (struct obm_info){ };
	if (!expect_line(&text, "obminfo - version: 1.0") ||
	    !next_line(&text, line, sizeof(line)))
		return false;
	if (strncmp(line, "# name ", 7))
		return obm_fail("the header is '%.60s'", line);
	while (*text) {
		info->rows = realloc(info->rows, (info->nr_rows + 1) *
				     sizeof(*info->rows));
		if (!info->rows)
			abort();
		row = &info->rows[info->nr_rows];
		if (!next_line(&text, line, sizeof(line)) ||
		    !parse_row(line, row))
			return false;
		if (!row->cache[0])
			info->nr_rows++;
		else if (!add_cache(info, row))
			return false;
	}
	return check_order(info);
}

/* What holds at any moment, whatever other CPUs do. */
static bool check_identity(const u64 *v)
{
	u64 sum = v[USED_BYTES] + v[AVAIL_BYTES] + v[UNUSED_BYTES] +
		  v[META_BYTES] + v[QUANT_BYTES] + v[RAW_BYTES];

	if (sum != v[HELD_BYTES])
		return obm_fail("the parts are %llu bytes, held are %llu", sum,
				v[HELD_BYTES]);
	if (v[NR_ALLOCS] - v[NR_FREES] != v[NR_BLOCKS] + v[NR_RAW])
		return obm_fail("%llu allocations, %llu frees, %llu+%llu blocks",
				v[NR_ALLOCS], v[NR_FREES], v[NR_BLOCKS],
				v[NR_RAW]);
	if (v[NR_ARENAS_GOT] - v[NR_ARENAS_PUT] != v[NR_ARENAS])
		return obm_fail("%llu arenas got, %llu put, %llu there",
				v[NR_ARENAS_GOT], v[NR_ARENAS_PUT],
				v[NR_ARENAS]);
	return true;
}

bool obm_parse_stats(const char *text, struct obm_stats *stats)
{
	char line[128], *value;
	unsigned int i;

	for (i = 0; i < NR_STATS; i++) {
		if (!next_line(&text, line, sizeof(line)))
			return false;
		value = strstr(line, ": ");
		if (!value)
			return obm_fail("'%s' is no 'name: value'", line);
		*value = '\0';
		if (strcmp(line, stat_names[i]))
			return obm_fail("'%s' where '%s' should be", line,
					stat_names[i]);
		if (!parse_number(value + 2, &stats->value[i]))
			return false;
	}
	if (*text)
		return obm_fail("'%.60s' after the end", text);
	return check_identity(stats->value);
}

/* @last is set if it is the row of the shared pools, which ends the file. */
static bool parse_class(char *line, size_t ci, struct obm_class *class,
			bool *last)
{
	u64 number[8] = { };
	char *fields[MAX_FIELDS];
	size_t nr = split(line, fields), i;
	bool is_mixed, right;

	if (nr != 8)
		return obm_fail("%zu fields in class %zu", nr, ci);
	is_mixed = !strcmp(fields[0], "mixed");
	for (i = is_mixed; i < nr; i++)
		if (!parse_number(fields[i], &number[i]))
			return false;
	*class = (struct obm_class){ "", number[1], number[2],
				     pool_pages(number[1], number[2]),
				     number[3], number[4], number[5],
				     number[6], number[7], 0 };
	if ((!is_mixed && number[0] != ci) || !class->size || class->size % 8)
		return obm_fail("class %llu of %llu bytes", number[0],
				class->size);
	if (is_mixed)
		right = !class->allocs &&
			mixed_is_right(class->size, class->per_pool,
				       class->pools, class->used, class->avail);
	else
		right = shared_is_right(class->size,
					class->used + class->avail,
					class->pools * class->per_pool,
					&class->shared);
	if (!class->pages || !right ||
	    class->allocs - class->frees != class->used)
		return obm_fail("class %s does not add up", fields[0]);
	*last = is_mixed;
	return true;
}

bool obm_parse_classes(const char *text, struct obm_classes *classes)
{
	bool last = false;
	char line[256];
	struct obm_class *row;

	*classes = (struct obm_classes){ };
	if (!next_line(&text, line, sizeof(line)))
		return false;
	if (strncmp(line, "# ", 2))
		return obm_fail("the header is '%s'", line);
	for (;;) {
		classes->rows = realloc(classes->rows, (classes->nr_rows + 1) *
					sizeof(*classes->rows));
		if (!classes->rows)
			abort();
		row = &classes->rows[classes->nr_rows];
		if (!next_line(&text, line, sizeof(line)) ||
		    !parse_class(line, classes->nr_rows, row, &last))
			return false;
		if (last)
			break;
		if (classes->nr_rows && row->size <= row[-1].size)
			return obm_fail("%llu bytes after %llu", row->size,
					row[-1].size);
		classes->nr_rows++;
	}
	classes->mixed = *row;
	if (*text)
		return obm_fail("'%.60s' after the end", text);
	return classes->nr_rows || obm_fail("no class");
}

/* The columns of a classes file, with a name for the index. */
static bool parse_cache(char *line, struct obm_class *cache)
{
	u64 number[8] = { };
	char *fields[MAX_FIELDS];
	size_t nr = split(line, fields), i;

	if (nr != 8)
		return obm_fail("%zu fields in a cache", nr);
	for (i = 1; i < nr; i++)
		if (!parse_number(fields[i], &number[i]))
			return false;
	*cache = (struct obm_class){ "", number[1], number[2],
				     cache_pages(number[1], number[2]),
				     number[3], number[4], number[5],
				     number[6], number[7] };
	if (!parse_cache_name(fields[0], cache->name))
		return false;
	if (!cache->pages || cache->size % 8 ||
	    cache->used + cache->avail != cache->pools * cache->per_pool ||
	    cache->allocs - cache->frees != cache->used)
		return obm_fail("cache %s does not add up", cache->name);
	return true;
}

bool obm_parse_caches(const char *text, struct obm_classes *caches)
{
	char line[256];

	*caches = (struct obm_classes){ };
	if (!next_line(&text, line, sizeof(line)))
		return false;
	if (strncmp(line, "# name ", 7))
		return obm_fail("the header is '%s'", line);
	for (; *text; caches->nr_rows++) {
		caches->rows = realloc(caches->rows, (caches->nr_rows + 1) *
				       sizeof(*caches->rows));
		if (!caches->rows)
			abort();
		if (!next_line(&text, line, sizeof(line)) ||
		    !parse_cache(line, &caches->rows[caches->nr_rows]))
			return false;
	}
	return true;
}

/* 64 characters; what a short arena has not got is blank, and at the end. */
static bool parse_map(const char *map, struct obm_arenas *arenas)
{
	unsigned int nr = 0;

	for (; *map; map++, nr++) {
		if (*map == '.')
			arenas->nr_unused++;
		else if (isdigit((unsigned char)*map))
			arenas->nr_partial++;
		else if (*map == '#')
			arenas->nr_full++;
		else if (*map == '-')
			arenas->nr_returned++;
		else if (*map == ' ')
			arenas->nr_missing++;
		else
			return obm_fail("'%c' in a map", *map);
		if (*map == ' ' && map[1] && map[1] != ' ')
			return obm_fail("a hole in a map");
	}
	return nr == 64 || obm_fail("a map of %u pools", nr);
}

/* NODE ID |MAP| */
bool obm_parse_arenas(const char *text, struct obm_arenas *arenas)
{
	char line[256], *map, *fields[MAX_FIELDS];
	u64 node, id;
	size_t len;

	*arenas = (struct obm_arenas){ };
	if (!next_line(&text, line, sizeof(line)))
		return false;
	if (strncmp(line, "# node arena |", 14))
		return obm_fail("the header is '%s'", line);
	for (; *text; arenas->nr_arenas++) {
		if (!next_line(&text, line, sizeof(line)))
			return false;
		map = strstr(line, " |");
		len = strlen(line);
		if (!map || line[len - 1] != '|')
			return obm_fail("no map in '%s'", line);
		line[len - 1] = *map = '\0';
		if (!parse_map(map + 2, arenas))
			return false;
		if (split(line, fields) != 2 || !parse_number(fields[0], &node) ||
		    !parse_number(fields[1], &id))
			return obm_fail("no node and number in '%s'", line);
	}
	return true;
}

bool obm_read_info(const char *path, size_t step, struct obm_info *info)
{
	char *text = obm_read(path, step);
	bool ok = text && obm_parse_info(text, info);

	free(text);
	return ok;
}

bool obm_read_stats(const char *path, size_t step, struct obm_stats *stats)
{
	char *text = obm_read(path, step);
	bool ok = text && obm_parse_stats(text, stats);

	free(text);
	return ok;
}

bool obm_read_classes(const char *path, size_t step,
		      struct obm_classes *classes)
{
	char *text = obm_read(path, step);
	bool ok = text && obm_parse_classes(text, classes);

	free(text);
	return ok;
}

bool obm_read_arenas(const char *path, size_t step, struct obm_arenas *arenas)
{
	char *text = obm_read(path, step);
	bool ok = text && obm_parse_arenas(text, arenas);

	free(text);
	return ok;
}

/* ffff and twelve more hexadecimal digits, as x86-64 and arm64 have them. */
bool obm_parse_no_address(const char *text)
{
	const char *found = text;

	while ((found = strstr(found, "ffff"))) {
		if (strspn(found, "0123456789abcdef") >= 16)
			return obm_fail("an address: %.60s", found);
		found += 4;
	}
	return true;
}
