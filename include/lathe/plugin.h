/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Custom operators as a library: what a plugin implements and Lathe calls. C, no C++ types.
 *
 *   LATHE_PLUGIN_EXPORT const LathePlugin* lathe_plugin(uint32_t abi) { return &my_plugin; }
 *
 * A plugin is a shared library that exports this one function and needs nothing of Lathe but this
 * header. It is loaded only where somebody names its file: `lathe build --plugin FILE.so`,
 * ModelOptions::plugins, LoadOptions::plugins. An engine that needs it says its name and version.
 *
 * Everything that a LathePlugin points at stays valid and unchanged while the process lives.
 * Functions return LATHE_OK or another code and may say why through `LatheText`; they must not
 * throw. All but `prepare` and `release` are called from several threads at once.
 * docs/custom_operators.md is the guide, examples/plugin_cpp a whole plugin. */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes with every struct below. A library that speaks another number is refused. */
#define LATHE_PLUGIN_ABI 1u

#define LATHE_PLUGIN_EXPORT __attribute__((visibility("default")))

enum { /* what functions return */
       LATHE_OK = 0,
       LATHE_INVALID = 1,     /* an operand or field is wrong */
       LATHE_UNSUPPORTED = 2, /* legal, and not implemented; of a tactic: it declines */
       LATHE_OUT_OF_MEMORY = 3,
       LATHE_FAILED = 4
};

enum { /* element types; the numbers are those of lathe::Type */
       LATHE_F32 = 0,
       LATHE_F64 = 1,
       LATHE_F16 = 2,
       LATHE_BF16 = 3,
       LATHE_I8 = 4,
       LATHE_I16 = 5,
       LATHE_I32 = 6,
       LATHE_I64 = 7,
       LATHE_U8 = 8,
       LATHE_U16 = 9,
       LATHE_U32 = 10,
       LATHE_U64 = 11,
       LATHE_BOOL = 12
};

enum {                         /* formats, all without gaps */
       LATHE_ROW_MAJOR = 0,    /* the last dimension is contiguous */
       LATHE_CHANNELS_LAST = 1 /* of rank 3 and more: [N,C,...] with C innermost, NHWC in memory */
};
#define LATHE_FORMAT_BIT(format) (1u << (format))

enum { LATHE_CPU = 0, LATHE_CUDA = 1 }; /* devices */

enum { /* kinds of fields */
       LATHE_FIELD_INT = 0,
       LATHE_FIELD_FLOAT = 1,
       LATHE_FIELD_TEXT = 2,
       LATHE_FIELD_INTS = 3,
       LATHE_FIELD_FLOATS = 4
};

/* Where a function puts text: a signature, or why it failed. Later calls append. */
typedef struct LatheText {
  void* self;
  void (*write)(struct LatheText* text, const char* words); /* null-terminated; copied */
} LatheText;

/* A field of an operator: an attribute of the model's node. Lathe reads fields from the model,
 * fills in defaults, writes them into engines and hands them over as values. */
typedef struct LatheField {
  const char* name;
  int32_t kind;
  const char* default_value; /* "0.5", "[1, 2]", "\"text\""; null: the node must give it */
  const char* doc;
} LatheField;

typedef struct LatheValue { /* of the kind that the field declares */
  int64_t i;
  double f;
  const char* text;
  const int64_t* ints;
  const double* floats;
  size_t count; /* of ints or floats */
} LatheValue;

typedef struct LatheTensor {
  int32_t type;
  int32_t format;
  int32_t rank;
  const int64_t* sizes; /* `rank` of them, [N,C,...] in every format; null in `signature`, which
                           knows ranks only */
  const void* constant; /* in `prepare`: the values, in host memory, where the operand is a
                           constant of the engine; else null. Valid during the call. */
} LatheTensor;

/* One use of an operator. Valid during the call. */
typedef struct LatheProblem {
  const LatheValue* fields; /* as LatheOperator.fields */
  size_t operand_count, result_count;
  const LatheTensor* operands;
  const LatheTensor* results; /* none in `signature` */
  int32_t device;
  int32_t compute_capability; /* of the GPU, times 10: 90 */
  int32_t threads;            /* that a run may use on the CPU */
} LatheProblem;

/* Where a launch reads and writes: host memory on the CPU, device memory on CUDA. */
typedef struct LatheBuffers {
  const void* const* operands;
  void* const* results;
  void* workspace; /* as many bytes as `prepare` asked for, 256-byte aligned */
  void* stream;    /* CUDA: the CUstream to queue on, its context current; CPU: null */
} LatheBuffers;

/* One way to run an operator on one device. Lathe times it beside the operator's others, and where
 * there is a reference, checks it against that before it may win. */
typedef struct LatheTactic {
  const char* name;
  uint32_t version;   /* raise it when speed or results change: old measurements are dropped */
  int32_t device;     /* LATHE_CPU or LATHE_CUDA */
  int32_t capturable; /* CUDA: launch only queues work, so that a CUDA graph may hold it */
  uint32_t formats;   /* LATHE_FORMAT_BITs that it takes; 0: row-major only. Within one use, all
                         tensors of rank 3 and more are in one format: LatheTensor.format */
  /* Whether it takes these types and sizes; LATHE_UNSUPPORTED and a sentence: no. Null: always. */
  int32_t (*supports)(const LatheProblem* problem, LatheText* why);
  /* Once for each set of sizes; `*state` goes to launch and release. Null: no state, no workspace.
   */
  int32_t (*prepare)(const LatheProblem* problem, void** state, size_t* workspace_bytes,
                     LatheText* error);
  /* Computes the results. Writes every element of them and nothing else. */
  int32_t (*launch)(const void* state, const LatheProblem* problem, const LatheBuffers* buffers,
                    LatheText* error);
  void (*release)(void* state); /* null: nothing to release */
} LatheTactic;

typedef struct LatheOperator {
  const char* name; /* "com.acme::Scale": the ONNX node's domain and operator */
  const char* doc;
  const LatheField* fields;
  size_t field_count;
  /* Of floating results: units in the last place of the largest |result| by which a tactic may
   * differ from the reference. 0: 16. */
  double tolerance;
  /* Writes the types of operands and results: "(x: f32[N,C], w: f32[C]) -> (y: f32[N,2*C])".
   * Symbols stand for the operands' sizes; sizes of results are expressions over them: + - *,
   * floordiv(a, b), ceildiv(a, b), mod(a, b), min(a, b), max(a, b). May depend on fields and on the
   * operands' types and ranks. This is all of shape inference: sizes may change from run to run. */
  int32_t (*signature)(const LatheProblem* problem, LatheText* out);
  /* The CPU twin: slow, obvious, right, on host memory. Null: results are not checked, only that
   * every element of them is written and nothing else. */
  int32_t (*reference)(const LatheProblem* problem, const LatheBuffers* buffers, LatheText* error);
  const LatheTactic* tactics;
  size_t tactic_count;
} LatheOperator;

typedef struct LathePlugin {
  uint32_t abi;        /* LATHE_PLUGIN_ABI */
  const char* name;    /* "acme_ops": what engines ask for */
  const char* version; /* "1.2.0": an engine opens with the same major version, not older */
  const LatheOperator* operators;
  size_t operator_count;
} LathePlugin;

/* The only symbol of a plugin. `abi` is Lathe's LATHE_PLUGIN_ABI. */
LATHE_PLUGIN_EXPORT const LathePlugin* lathe_plugin(uint32_t abi);

#ifdef __cplusplus
}
#endif
