// One instruction of the processor that Swift cannot name: CRC-32C, eight bytes at a time (SSE 4.2).
#pragma once
#include <stdint.h>

#if defined(__x86_64__)
static inline int drover_has_crc32c(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) static inline uint32_t drover_crc32c(uint32_t state, const void *bytes, long count) {
    const unsigned char *next = (const unsigned char *)bytes;
    uint64_t crc = state;
    for (; count >= 8; count -= 8, next += 8) {
        uint64_t word;
        __builtin_memcpy(&word, next, 8);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; count > 0; count--, next++) crc = __builtin_ia32_crc32qi((uint32_t)crc, *next);
    return (uint32_t)crc;
}
#else
static inline int drover_has_crc32c(void) { return 0; }
static inline uint32_t drover_crc32c(uint32_t state, const void *bytes, long count) { return state; }
#endif
