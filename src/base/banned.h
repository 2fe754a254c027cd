/* banned - functions that do not build here, because a safer one does the same. Included by the
 * build into every file. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With clang the C library's checked versions are macros; what is poisoned must not be one. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atof localtime gmtime asctime ctime
