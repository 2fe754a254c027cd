/* banned - functions that do not build here, because a safer one does the same. Included by the
 * build into every file. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atof localtime gmtime asctime ctime
