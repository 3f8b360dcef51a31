// The calls of NVIDIA's driver that launch kernels, with its signatures: a module is a library whose path is its
// binary.
#include <dlfcn.h>

#include <string>

static char primary;
static thread_local void* current;

extern "C" {

int cuCtxGetCurrent(void** context) {
    *context = current = &primary;  // as if the thread that loads a module had used torch before
    return 0;
}

int cuCtxSetCurrent(void* context) {
    current = context;
    return 0;
}

int cuModuleLoadData(void** module, const void* binary) {
    if (!current) return 201;  // CUDA_ERROR_INVALID_CONTEXT
    *module = dlopen((const char*)binary, RTLD_NOW);
    return *module ? 0 : 200;  // CUDA_ERROR_INVALID_IMAGE
}

int cuModuleGetFunction(void** function, void* module, const char* name) {
    *function = dlsym(module, ("emulate_" + std::string(name)).c_str());
    return *function ? 0 : 500;  // CUDA_ERROR_NOT_FOUND
}

int cuFuncSetAttribute(void* function, int attribute, int value) {
    return function && attribute == 8 && value <= 227 * 1024 ? 0 : 1;  // CUDA_ERROR_INVALID_VALUE
}

int cuLaunchKernel(void* function, unsigned across, unsigned down, unsigned deep, unsigned x, unsigned y, unsigned z,
                   unsigned shared, void* stream, void** arguments, void** extra) {
    if (!current) return 201;
    if (deep != 1 || y != 1 || z != 1 || stream || extra) return 1;
    ((void (*)(int, int, int, int, void**))function)(across, down, x, shared, arguments);
    return 0;
}
}
