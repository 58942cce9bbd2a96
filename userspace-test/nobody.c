// SPDX-License-Identifier: GPL-2.0-only
/* nobody COMMAND...: runs a command without any privilege. */
#include <err.h>
#include <grp.h>
#include <unistd.h>

#define NOBODY	65534

int main(int argc, char **argv)
{
	if (argc < 2)
		errx(125, "usage: nobody COMMAND...");
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		err(125, "cannot become nobody");
	execvp(argv[1], argv + 1);
	err(127, "%s", argv[1]);
}
