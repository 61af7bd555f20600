#include "tools/bench/store_device.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { SECTOR = 512 }; /* the unit of the kernel's statistics, whatever the device's own is */

struct store_device store_device_of(const char *dir)
{
    struct store_device device = {0};
    struct stat at;
    if (stat(dir, &at))
        return device;
    snprintf(device.path, sizeof device.path, "/sys/dev/block/%u:%u/stat", major(at.st_dev),
             minor(at.st_dev));
    if (access(device.path, R_OK))
        device.path[0] = '\0';
    return device;
}

/* The seventh number: Documentation/block/stat.rst of the kernel. */
static uint64_t sectors_written(const char *path)
{
    uint64_t sectors = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*u %*u %*u %*u %*u %*u %" SCNu64, &sectors) != 1)
        sectors = 0;
    fclose(file);
    return sectors;
}

static uint64_t process_wrote(void)
{
    char line[64];
    uint64_t bytes = 0;
    FILE *file = fopen("/proc/self/io", "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file) && sscanf(line, "write_bytes: %" SCNu64, &bytes) != 1)
        ;
    fclose(file);
    return bytes;
}

struct store_written store_device_written(const struct store_device *device)
{
    return (struct store_written){
        .device = device->path[0] ? sectors_written(device->path) * SECTOR : 0,
        .process = process_wrote(),
    };
}
