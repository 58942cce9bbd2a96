// SPDX-License-Identifier: GPL-2.0-only
/* Modules, files and the kernel log for the C tests. */
#include "obm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

char obm_error[256];

bool obm_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(obm_error, sizeof(obm_error), fmt, args);
	va_end(args);
	return false;
}

static const char *obm_dir(void)
{
	const char *dir = getenv("OBM_DIR");

	/* Beside the sources: userspace-test/ in a tree that was built. */
	return dir ? dir : "..";
}

static void module_path(const char *module, char *path, size_t size)
{
	if (!strcmp(module, "obmalloc"))
		snprintf(path, size, "%s/module/obmalloc.ko", obm_dir());
	else
		snprintf(path, size, "%s/samples/%s/%s.ko", obm_dir(), module,
			 module);
}

static const char *find_lack(void)
{
	char path[4096];

	if (getuid())
		return "not root";
	if (!access("/sys/module/obmalloc", F_OK))
		return "obmalloc is loaded already: rmmod it first";
	if (access("/sys/kernel/debug/sched", F_OK) &&
	    access("/sys/kernel/debug/slab", F_OK))
		return "debugfs is not mounted";
	module_path("obmalloc", path, sizeof(path));
	if (!getenv("OBM_DIR") && access(path, F_OK))
		return "no modules: set OBM_DIR to where they were built";
	return NULL;
}

/* What was so when the program began, and the process that it began as. */
static const char *lack;
static pid_t first;

static void __attribute__((constructor)) begin(void)
{
	lack = find_lack();
	first = getpid();
}

/* A test that fails is not torn down. */
static void __attribute__((destructor)) end(void)
{
	if (!lack && getpid() == first)
		obm_unload_all();
}

const char *obm_lack(void)
{
	return lack;
}

void obm_unload_all(void)
{
	obm_unload("stress");
	obm_unload("obmalloc");
}

bool obm_load(const char *module, const char *params)
{
	char path[4096];
	int fd, err = 0;

	module_path(module, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return obm_fail("%s: %s", path, strerror(errno));
	if (syscall(SYS_finit_module, fd, params, 0))
		err = errno;
	close(fd);
	return !err || obm_fail("loading %s: %s", module, strerror(err));
}

bool obm_unload(const char *module)
{
	return !syscall(SYS_delete_module, module, O_NONBLOCK) ||
	       obm_fail("unloading %s: %s", module, strerror(errno));
}

bool obm_write(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t done;
	int err;

	if (fd < 0)
		return obm_fail("%s: %s", path, strerror(errno));
	done = write(fd, text, len);
	err = errno;
	close(fd);
	if (done < 0)
		return obm_fail("writing %s: %s", path, strerror(err));
	return (size_t)done == len || obm_fail("writing %s: cut short", path);
}

bool obm_stress(const char *fmt, ...)
{
	char command[256], *result;
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	if (obm_write(OBM_STRESS "/cmd", command))
		return true;
	result = obm_read(OBM_STRESS "/result", 4096);
	obm_fail("%s: %s", command, result ? result : "");
	free(result);
	return false;
}

char *obm_read(const char *path, size_t step)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0, size = 0;
	char *text = NULL;
	ssize_t got;

	if (fd < 0) {
		obm_fail("%s: %s", path, strerror(errno));
		return NULL;
	}
	do {
		if (size < len + step + 1) {
			size = 2 * (len + step + 1);
			text = realloc(text, size);
			if (!text)
				abort();
		}
		got = read(fd, text + len, step);
		len += got > 0 ? got : 0;
	} while (got > 0);
	text[len] = '\0';
	if (got < 0) {
		obm_fail("reading %s: %s", path, strerror(errno));
		free(text);
		text = NULL;
	}
	close(fd);
	return text;
}

/* The file names them in rising order, as ranges. */
u64 obm_possible(const char *what)
{
	char path[128], *text;
	size_t at;
	u64 nr;

	snprintf(path, sizeof(path), "/sys/devices/system/%s/possible", what);
	text = obm_read(path, 4096);
	at = text ? strlen(text) : 0;
	while (at && strchr("0123456789\n", text[at - 1]))
		at--;
	nr = text ? strtoull(text + at, NULL, 10) + 1 : 1;
	free(text);
	return nr;
}

int obm_log_open(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (log >= 0)
		lseek(log, 0, SEEK_END);
	return log;
}

/* Of each record the message, without level, number and time. */
char *obm_log_read(int log)
{
	char record[8192], *text = calloc(1, 1), *message;
	size_t len = 0, add;
	ssize_t got;

	for (;;) {
		got = read(log, record, sizeof(record) - 1);
		if (got < 0 && errno == EPIPE)
			continue;
		if (got <= 0)
			return text;
		record[got] = '\0';
		message = strchr(record, ';');
		message = message ? message + 1 : record;
		message[strcspn(message, "\n")] = '\0';
		add = strlen(message);
		text = realloc(text, len + add + 2);
		if (!text)
			abort();
		memcpy(text + len, message, add);
		len += add;
		text[len++] = '\n';
		text[len] = '\0';
	}
}
