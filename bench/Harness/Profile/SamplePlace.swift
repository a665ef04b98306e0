/// Names the part of the system that a call chain belongs to.

/// One line of `perf script`: `    7f3a… symbol (/path/of/object)`.
struct CallFrame {
    let symbol: Substring
    /// The object's file name; `[kernel]` for all of the kernel.
    let object: Substring

    init?(_ line: Substring) {
        guard let open = line.lastIndex(of: "("), line.last == ")" else { return nil }
        let path = line[line.index(after: open)...].dropLast()
        let words = line[..<open].split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard words.count >= 2 else { return nil }
        symbol = words[1]
        let isKernel = path.hasPrefix("[kernel") || path.hasPrefix("[guest.kernel") || path.hasSuffix(".ko")
        object = isKernel ? "[kernel]" : path.split(separator: "/").last ?? path
    }

    /// The Swift module of a mangled name (`$s` or `$S`, the name's length, the name); nil where it is none, or the
    /// standard library's.
    var swiftModule: Substring? {
        guard symbol.hasPrefix("$s") || symbol.hasPrefix("$S") else { return nil }
        let rest = symbol.dropFirst(2)
        let digits = rest.prefix { $0.isNumber }
        guard let length = Int(digits), length > 0, rest.count >= digits.count + length else { return nil }
        return rest.dropFirst(digits.count).prefix(length)
    }
}

enum SamplePlace {
    /// What a call chain, innermost frame first, counts as.
    static func name(of frames: [CallFrame]) -> String {
        guard let leaf = frames.first else { return "other" }
        if leaf.object == "[kernel]" { return kernel(frames.prefix { $0.object == "[kernel]" }.map(\.symbol)) }
        for (prefix, name) in libraries where leaf.object.hasPrefix(prefix) { return name }
        if leaf.object == "[vdso]" { return "libc" }
        if let module = leaf.swiftModule { return String(module) }
        // Specialized code of the standard library counts to whoever called it; C functions in the program to the
        // Swift module above them; the runtime's own functions are the runtime's.
        if leaf.symbol.hasPrefix("swift_") || leaf.symbol.hasPrefix("_swift_") { return "Swift runtime" }
        for frame in frames.dropFirst() {
            if let module = frame.swiftModule { return String(module) }
        }
        return leaf.object == "[unknown]" ? "other" : String(leaf.object)
    }

    /// Shared objects by the beginning of their names.
    private static let libraries = [
        ("libwebsockets", "libwebsockets"), ("libuv", "libuv"), ("libhiredis", "hiredis"), ("libpq", "libpq"),
        ("libswift", "Swift runtime"), ("libFoundation", "Foundation"), ("libjemalloc", "jemalloc"),
        ("redis-", "redis-server"), ("libc.so", "libc"), ("libc-", "libc"), ("libm.so", "libc"), ("ld-linux", "libc"),
        ("libpthread", "libc"),
    ]

    /// By what the kernel was asked for; waking somebody up and going to sleep count for themselves wherever they
    /// happen, since they are what batching saves.
    private static func kernel(_ symbols: [Substring]) -> String {
        func has(_ words: [String]) -> Bool { symbols.contains { symbol in words.contains { symbol.contains($0) } } }
        if has(["fdatasync", "fsync", "vfs_fsync"]) { return "fdatasync" }
        if has(["try_to_wake_up", "schedule", "epoll", "ep_poll", "ep_send", "futex", "eventfd", "poll_idle"]) {
            return "wake-ups"
        }
        if has(["sendto", "sendmsg", "sock_write", "tcp_sendmsg", "sys_send"]) { return "kernel send" }
        if has(["recvfrom", "recvmsg", "sock_read", "sys_recv"]) { return "kernel recv" }
        if has(["sys_writev", "sys_write", "ksys_write", "pwrite"]) { return "kernel write" }
        if has(["sys_read", "ksys_read", "pread"]) { return "kernel read" }
        if has(["softirq", "irq_exit", "apic_timer", "hrtimer"]) { return "interrupts" }
        return "kernel, other"
    }
}
