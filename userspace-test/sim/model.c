// SPDX-License-Identifier: GPL-2.0-only
/* One run of the model: heaps, machine, steps, checks. */
#include "model.h"

#include <unistd.h>

struct model model;

void model_print_where(void)
{
	printf("# to repeat: --seed %llu%s, step %llu\n", model.seed,
	       model.slow ? " --slow" : "", model.step);
}

void model_fail(const char *file, int line, const char *what)
{
	printf("# %s:%d: %s\n", strrchr(file, '/') ? strrchr(file, '/') + 1 : file,
	       line, what);
	model_print_where();
	printf("not ok 1 - the model and the core differ\n");
	fflush(stdout);
	_exit(1);
}

static void heap_create(struct model_heap *h)
{
	struct obm_heap_attrs attrs = OBM_HEAP_ATTRS_INIT;
	unsigned long failed = sim_fault.failed;
	char name[OBM_NAME_LEN];

	memset(h, 0, sizeof(*h));
	switch (h - model.heaps) {
	case 1:
		attrs.limit_bytes = 16384 + below(64 * PAGE_SIZE);
		break;
	case 2:
		attrs.node = below(2);
		attrs.flags = below(OBM_HEAP_FLAGS + 1);
		break;
	case 3:
		attrs.flags = OBM_HEAP_HARDEN;
		break;
	}
	snprintf(name, sizeof(name), "model-%u", model.serial++);
	h->heap = obm_heap_create(name, &attrs);
	h->limit = attrs.limit_bytes;
	h->flags = attrs.flags;
	h->nid = attrs.node;
	h->front = !(attrs.flags & OBM_HEAP_HARDEN) && obm_front_max >= 6;
	if (IS_ERR(h->heap)) {
		MUST(sim_fault.failed != failed);
		h->heap = NULL;
	}
}

static void heap_destroy(struct model_heap *h)
{
	unsigned long leaked = 0;
	struct obm_heap *heap = h->heap;
	unsigned int i;

	for (i = model.nr_blocks; i--; ) {
		struct model_block *block = &model.blocks[model.dense[i]];

		if (&model.heaps[block->heap] != h)
			continue;
		model_verify(block, block->size);
		model_forget(block);
		leaked++;
	}
	MUST(obm_heap_destroy(heap) == leaked);
	h->heap = NULL;
	if (chance(30)) {
		MUST(obm_heap_destroy(heap) == 0);
		model.nr_bad[OBM_BAD_HEAP]++;
	}
}

/* What changes seldom: heaps, the machine. */
static void rare(void)
{
	struct model_heap *h = &model.heaps[1 + below(MODEL_HEAPS - 1)];

	switch (below(12)) {
	case 10:
		sim_pressure = chance(30) ? below(100) : 0;
		break;
	case 8:
		sim_cpu_die(below(SIM_NR_CPUS));
		break;
	case 9:
		sim_cpu_revive(below(SIM_NR_CPUS));
		break;
	case 0:
		if (h->heap)
			heap_destroy(h);
		if (!h->heap)
			heap_create(h);
		break;
	case 1:
		sim_fault.permille = chance(30) ? below(400) : 0;
		break;
	case 2:
		sim_fault.max_order = chance(30) ? below(8) : -1;
		break;
	case 3:
		sim_fault.full[0] = chance(10);
		sim_fault.full[1] = chance(10);
		break;
	case 4:
		sim_init_on_alloc = chance(30);
		/* The inline path asks only once. */
		if (!OBM_INLINE)
			sim_init_on_free = chance(30);
		break;
	case 5:
		nr_online_nodes = chance(80) ? 3 : 1;
		break;
	default:
		model.target = below(below(8) ? 300 : MODEL_BLOCKS);
		break;
	}
}

static void switch_cpu(void)
{
	unsigned int cpu = below(SIM_NR_CPUS);

	if (sim_cpu_online[cpu])
		sim_context.cpu = cpu;
}

static void alloc_or_free(struct model_block *block)
{
	if (sim_cpu_online[sim_context.cpu] && chance(10))
		model_arm_irq();
	if (chance(model.nr_blocks < model.target ? 75 : 25))
		model_alloc();
	else if (block)
		model_free(block);
}

static void step(void)
{
	struct model_block *block = model_pick_block();
	u64 dice = below(1000);

	if (dice < 5)
		model_trim(model_pick_heap());
	else if (dice < 7)
		model_shrink();
	else if (dice < 10)
		rare();
	else if (dice < 20)
		sim_context.nid = below(3);
	else if (dice < 35)
		switch_cpu();
	else if (dice < 45)
		model_bulk();
	else if (dice < 80)
		model_bad();
	else if (dice < 110)
		model_query();
	else if (dice < 115)
		model_nofail();
	else if (dice < 210 && block)
		model_realloc(block);
	else
		alloc_or_free(block);
	sim_irq.func = NULL;
	sim_tick(sim_random(&model.rng));
}

static void check(void)
{
	if (model.slow || model.step % 1024 == 0)
		model_check_heap(model_pick_heap());
	if (model.step % (model.slow ? 64 : 8192) == 0)
		model_check_all();
}

static void begin(unsigned int small_max)
{
	unsigned int i;

	memset(&model.heaps, 0, sizeof(model.heaps));
	memset(&model.nr_bad, 0, sizeof(model.nr_bad));
	memset(model.freed, 0, sizeof(model.freed));
	model.target = 200;
	model.nr_blocks = 0;
	model.serial = 0;
	for (i = 0; i < MODEL_BLOCKS; i++)
		model.dense[i] = i;
	model.busy = NULL;
	/* Every third run is without shared pools and cut arenas. */
	sim_compact = model.seed % 3;
	sim_start(small_max, model.seed);
	model.own_page = alloc_pages(GFP_KERNEL, 0);
	for (i = 0; i < MODEL_HEAPS; i++)
		heap_create(&model.heaps[i]);
}

static void end(void)
{
	unsigned int i;

	sim_fault_reset();
	sim_irq.func = NULL;
	while (model.nr_blocks)
		model_free(&model.blocks[model.dense[model.nr_blocks - 1]]);
	sim_run_work();
	model_check_all();
	for (i = 0; i < MODEL_HEAPS; i++)
		if (model.heaps[i].heap)
			heap_destroy(&model.heaps[i]);
	WRITE_ONCE(model.own_page->private, 0);
	WRITE_ONCE(model.own_page->index, 0);
	__free_page(model.own_page);
	sim_end();
}

void model_run(u64 ops, unsigned int small_max)
{
	model.rng = sim_rng(model.seed ^ small_max);
	begin(small_max);
	for (model.step = 1; model.step <= ops; model.step++) {
		step();
		check();
	}
	end();
}

void model_run_input(const u8 *input, size_t size)
{
	model.rng = (struct sim_rng){ .input = input, .left = size };
	begin(8 + below(OBM_SMALL_MAX - 7));
	for (model.step = 1; model.rng.left; model.step++) {
		step();
		check();
	}
	end();
}
