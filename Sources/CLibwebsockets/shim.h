#pragma once
// Debian's lws_config.h turns on _DEBUG unless NDEBUG is defined.
#ifndef NDEBUG
#define NDEBUG 1
#endif
#include <libwebsockets.h>
