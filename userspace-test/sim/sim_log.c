// SPDX-License-Identifier: GPL-2.0-only
/* The fake machine's log, its modules, its beginning and its end. */
#include "sim.h"
#include "internal.h"

#include <dlfcn.h>
#include <unistd.h>

#define LOG_BYTES	65536

void (*sim_on_death)(void);
bool sim_report_all = true;
bool sim_expect_warn;
unsigned long sim_nr_warn;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[LOG_BYTES];
static size_t log_len;
static struct sim_rng random_long;
static atomic_long_t module_refs;
static unsigned long module_bytes, module_objects;

unsigned int sim_front_max = OBM_FRONT_MAX;
bool sim_compact = true;
bool sim_boot_init_on_free;

/* Every sanitizer's runtime has it; without one there is nothing to call. */
static void sanitizer_call(const char *name, void (*arg)(void))
{
	void (*func)(void (*arg)(void));

	func = dlsym(RTLD_DEFAULT, name);
	if (func)
		func(arg);
}

static void on_death(void)
{
	static bool once;

	if (once)
		return;
	once = true;
	fflush(stdout);
	if (sim_on_death)
		sim_on_death();
	printf("not ok 1 - died\n");
	fflush(stdout);
}

void sim_die(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	printf("# the core did what no kernel forgives: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	on_death();
	sanitizer_call("__sanitizer_print_stack_trace", NULL);
	_exit(1);
}

void sim_warn(const char *what, const char *file, int line)
{
	__atomic_add_fetch(&sim_nr_warn, 1, __ATOMIC_RELAXED);
	if (!sim_expect_warn)
		sim_die("WARN_ON_ONCE(%s) at %s:%d", what, file, line);
}

void sim_printk(const char *fmt, ...)
{
	va_list args;
	int len;

	pthread_mutex_lock(&log_lock);
	if (log_len > LOG_BYTES - 1024)
		log_len = 0;
	va_start(args, fmt);
	len = vsnprintf(log_text + log_len, 1024, fmt, args);
	va_end(args);
	if (len <= 0 || len >= 1024 || log_text[log_len + len - 1] != '\n')
		sim_die("a message is too long or ends in no newline: %s",
			log_text + log_len);
	log_len += len;
	pthread_mutex_unlock(&log_lock);
}

unsigned int sim_log_count(const char *text)
{
	unsigned int count = 0;
	const char *at;

	pthread_mutex_lock(&log_lock);
	log_text[log_len] = '\0';
	for (at = log_text; (at = strstr(at, text)); at++)
		count++;
	pthread_mutex_unlock(&log_lock);
	return count;
}

void sim_log_clear(void)
{
	pthread_mutex_lock(&log_lock);
	log_len = 0;
	pthread_mutex_unlock(&log_lock);
}

int __ratelimit(struct ratelimit_state *limit)
{
	return sim_report_all ||
	       __atomic_fetch_sub(&limit->left, 1, __ATOMIC_RELAXED) > 0;
}

u64 sim_get_random_long(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	u64 value;

	pthread_mutex_lock(&lock);
	value = sim_random(&random_long);
	pthread_mutex_unlock(&lock);
	return value;
}

void __module_get(struct module *module)
{
	if (module != THIS_MODULE)
		sim_die("holds another module");
	atomic_long_inc(&module_refs);
}

void module_put(struct module *module)
{
	if (module != THIS_MODULE || atomic_long_sub_return(1, &module_refs) < 0)
		sim_die("drops a reference that it does not have");
}

void sim_start(unsigned int small_max, u64 seed)
{
	sanitizer_call("__sanitizer_set_death_callback", on_death);
	random_long = sim_rng(~seed);
	sim_fault_reset();
	sim_log_clear();
	sim_context = (struct sim_context){ };
	sim_preempt_rt = false;
	WRITE_ONCE(sim_jiffies, -100UL);
	sim_init_on_alloc = false;
	sim_init_on_free = false;
	sim_no_junk = false;
	sim_expect_warn = false;
	sim_nr_warn = 0;
	sim_pressure = 0;
	nr_online_nodes = 3;
	sim_init_on_free = sim_boot_init_on_free;
	sim_pages_start();
	memset(obm_nr_bad, 0, sizeof(obm_nr_bad));

	obm_page_init();
	obm_rcu_init();
	obm_harden = false;
	obm_front_max = sim_front_max;
	obm_compact = sim_compact;
	obm_front_kib = 256;
	if (obm_class_init(small_max) || obm_table_init() ||
	    obm_arena_init() || obm_front_init() || obm_heap_init() ||
	    obm_shrink_init())
		sim_die("the module does not load");
	module_bytes = sim_slab_bytes();
	module_objects = sim_slab_objects();
}

/* Of heaps, that is what there was not before the first. */
unsigned long sim_heap_bytes(void)
{
	return sim_slab_bytes() - module_bytes;
}

void sim_check_empty(void)
{
	sim_run_rcu();
	if (atomic_long_read(&module_refs) || !list_empty(&obm_heaps))
		sim_die("heaps are left");
	if (sim_work_pending())
		sim_die("work is left");
	if (sim_slab_objects() != module_objects)
		sim_die("%lu slab objects of %lu bytes are left",
			sim_slab_objects(), sim_slab_bytes());
	sim_pages_check_empty();
}

void sim_end(void)
{
	sim_context = (struct sim_context){ };
	sim_check_empty();
	obm_shrink_exit();
	obm_heap_exit();
	obm_front_exit();
	obm_arena_exit();
	obm_table_exit();
	if (sim_slab_objects())
		sim_die("the module leaves slab objects");
}
