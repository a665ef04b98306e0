/// Allocations: how often the gateway calls malloc for a ping and for a delivery, once it has settled.
///
/// A library that is compiled for this, with the system's cc, and loaded before the gateway's own counts the calls of
/// each thread in a file that both processes map.
import Glibc
import LocalServers

struct AllocationScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions

    private static let source = """
        #define _GNU_SOURCE
        #include <fcntl.h>
        #include <stdlib.h>
        #include <sys/mman.h>
        #include <unistd.h>
        extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
        extern void *__libc_memalign(size_t, size_t);
        static volatile long *calls;
        __attribute__((constructor)) static void begin(void) {
            int file = open(getenv("DROVER_BENCH_CALLS"), O_RDWR);
            if (file < 0) return;
            void *memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
            if (memory != MAP_FAILED) calls = memory;
        }
        static inline void count(void) {
            if (calls) __atomic_add_fetch(calls + (gettid() == getpid() ? 0 : 1), 1, __ATOMIC_RELAXED);
        }
        void *malloc(size_t n) { count(); return __libc_malloc(n); }
        void *calloc(size_t n, size_t m) { count(); return __libc_calloc(n, m); }
        void *realloc(void *p, size_t n) { count(); return __libc_realloc(p, n); }
        void *memalign(size_t a, size_t n) { count(); return __libc_memalign(a, n); }
        void *aligned_alloc(size_t a, size_t n) { count(); return __libc_memalign(a, n); }
        int posix_memalign(void **p, size_t a, size_t n) { count(); *p = __libc_memalign(a, n); return *p ? 0 : 12; }
        """

    /// Leaves the stage with a gateway that counts; start another one for what is timed.
    func run() throws {
        report.progress("allocations …")
        let directory = try TemporaryDirectory(prefix: "drover-calls")
        defer { directory.remove() }
        let library = "\(directory.path)/calls.so"
        let counts = "\(directory.path)/calls"
        try Command.runChecked(
            ["cc", "-x", "c", "-O2", "-shared", "-fPIC", "-o", library, "-"], input: Self.source)
        let descriptor = open(counts, O_RDWR | O_CREAT, 0o600)
        guard descriptor >= 0, ftruncate(descriptor, 4_096) == 0 else { throw BenchError("cannot write \(counts)") }
        defer { close(descriptor) }
        try stage.startGateway(environment: ["LD_PRELOAD": library, "DROVER_BENCH_CALLS": counts])

        var plan = FleetPlan()
        plan.drivers = 500
        plan.sockets = 500
        let one = try counted(descriptor, plan, nil, options.seconds)
        let pings = Double(one.result.pings)
        report.add("allocations", "a ping, one a frame, on the loop", "", Double(one.loop) / pings)
        // A million at the usual length of a run.
        plan.pingsPerFrame = 10
        plan.pingsPerSecond = 50_000
        let many = try counted(descriptor, plan, nil, options.seconds / 6 * 20)
        let count = Double(many.result.pings)
        report.reach("allocations.ping", "", Double(many.loop) / count)
        report.add("allocations", "pings that were counted, ten a frame", "", count)
        report.add("allocations", "a ping, on the other threads", "", Double(many.others) / count)
        plan.pingsPerFrame = 1
        plan.drivers = 100
        plan.sockets = 100
        plan.pingsPerSecond = 1_000
        let base = try counted(descriptor, plan, nil, options.seconds)
        let audience = AudiencePlan(viewers: 1_000, driversPerViewer: 1)
        let viewed = try counted(descriptor, plan, audience, options.seconds)
        report.reach(
            "allocations.delivery", "", Double(viewed.loop - base.loop) / Double(max(1, viewed.result.deliveries)))
    }

    /// What was called within the window, on the loop's thread and on the others.
    private struct Counted {
        var loop: Int
        var others: Int
        var result: LoadResult
    }

    private func counted(
        _ descriptor: Int32, _ plan: FleetPlan, _ audience: AudiencePlan?, _ seconds: Double
    ) throws -> Counted {
        var reads: [[Int]] = []
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan, audience: audience)
        let result = try load.run(warmUp: options.warmUp, seconds: seconds) {
            var values = [0, 0]
            _ = pread(descriptor, &values, 16, 0)
            reads.append(values)
        }
        let calls = zip(reads[0], reads[1]).map { $1 - $0 }
        return Counted(loop: calls[0], others: calls[1], result: result)
    }
}
