// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readers of every file while four CPUs allocate, in threads and interrupts,
 * and heaps come and go: what they read is consistent each time.
 */
#include "obm.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#define BUSY_MS		2000
#define HEAP(file)	OBM_HEAPS "/busy/" file

/* What the processes share. */
struct shared {
	atomic_bool stop;
	atomic_ulong rounds[8];
};

static struct shared *shared;

/* Parses @path once. */
static bool look_info(const char *path)
{
	struct obm_info info = { };
	bool ok = obm_read_info(path, 65536, &info);

	free(info.rows);
	return ok;
}

static bool look_stats(const char *path)
{
	struct obm_stats stats;

	return obm_read_stats(path, 4096, &stats);
}

static bool look_classes(const char *path)
{
	struct obm_classes classes = { };
	bool ok = obm_read_classes(path, 777, &classes);

	free(classes.rows);
	return ok;
}

static bool look_arenas(const char *path)
{
	struct obm_arenas arenas;

	return obm_read_arenas(path, 777, &arenas);
}

static bool poke(const char *path)
{
	return obm_write(path, "1");
}

/* A heap's whole life. */
static bool churn(const char *name)
{
	return obm_stress("create %s", name) &&
	       obm_stress("fill %s n=50 sizes=0-6000", name) &&
	       look_stats(OBM_DEBUG "/stats") &&
	       obm_stress("destroy %s", name);
}

static const struct job {
	bool (*look)(const char *path);
	const char *paths[3];
} jobs[] = {
	{ look_info, { OBM_INFO } },
	{ look_stats, { HEAP("stats"), OBM_DEBUG "/stats" } },
	{ look_classes, { HEAP("classes") } },
	{ look_arenas, { HEAP("arenas") } },
	{ poke, { HEAP("validate"), OBM_DEBUG "/validate" } },
	{ poke, { HEAP("trim"), OBM_DEBUG "/trim" } },
	{ churn, { "coming", "going" } },
};

static int job_run(unsigned int number)
{
	const struct job *job = &jobs[number];
	unsigned int i;

	while (!shared->stop) {
		for (i = 0; i < 3 && job->paths[i]; i++) {
			if (job->look(job->paths[i]))
				continue;
			printf("# %s: %s\n", job->paths[i], obm_error);
			fflush(stdout);
			return 1;
		}
		shared->rounds[number]++;
	}
	return 0;
}

FIXTURE(concurrent) {
	int log;
};

FIXTURE_SETUP(concurrent)
{
	const char *lack = obm_lack();

	if (lack)
		SKIP(return, "%s", lack);
	self->log = obm_log_open();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(shared, MAP_FAILED);
	obm_unload_all();
	OK(obm_load("obmalloc", ""));
	OK(obm_load("stress", ""));
}

FIXTURE_TEARDOWN(concurrent)
{
	obm_unload_all();
	close(self->log);
}

static void quiet(struct __test_metadata *_metadata, int log)
{
	static const char *const complaints[] = {
		"BUG: ", "WARNING: ", "INFO: ", "Oops", "corruption",
	};
	char *text = obm_log_read(log);
	const char *found;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(complaints); i++) {
		found = strstr(text, complaints[i]);
		if (found)
			TH_LOG("%.80s", found);
		EXPECT_EQ(found, NULL);
	}
	free(text);
}

static void watch(struct __test_metadata *_metadata, const char *ctx)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pid_t pids[ARRAY_SIZE(jobs)];
	unsigned int i;
	int status;
	bool ran;

	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		pids[i] = fork();
		ASSERT_GE(pids[i], 0);
		if (!pids[i])
			_exit(job_run(i));
	}
	ran = obm_stress("run busy cpus=%ld ms=%d sizes=0-10000 ctx=%s",
			 cpus < 4 ? cpus : 4, BUSY_MS, ctx);
	shared->stop = true;
	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		waitpid(pids[i], &status, 0);
		EXPECT_EQ(status, 0);
		EXPECT_GT(shared->rounds[i], 0);
		TH_LOG("%s: %lu times", jobs[i].paths[0],
		       atomic_load(&shared->rounds[i]));
	}
	OK(ran);
}

/* Whoever went is forgotten, who stayed has nothing left. */
static void calm(struct __test_metadata *_metadata)
{
	struct obm_stats stats;

	OK(poke(OBM_DEBUG "/validate"));
	OK(poke(OBM_DEBUG "/trim"));
	OK(obm_read_stats(OBM_DEBUG "/stats", 4096, &stats));
	EXPECT_EQ(stats.value[NR_BLOCKS], 0);
	EXPECT_EQ(stats.value[NR_RAW], 0);
	EXPECT_EQ(stats.value[NR_ARENAS], 0);
	EXPECT_EQ(stats.value[HELD_BYTES], stats.value[META_BYTES]);
	OK(obm_stress("destroy busy"));
	OK(obm_unload("stress"));
	OK(obm_unload("obmalloc"));
}

TEST_F_TIMEOUT(concurrent, readers_while_threads_allocate, 60)
{
	OK(obm_stress("create busy"));
	watch(_metadata, "task");
	calm(_metadata);
	quiet(_metadata, self->log);
}

TEST_F_TIMEOUT(concurrent, readers_while_interrupts_allocate, 60)
{
	OK(obm_stress("create busy limit=8000000"));
	watch(_metadata, "mixed");
	calm(_metadata);
	quiet(_metadata, self->log);
}

TEST_HARNESS_MAIN
