/// Commands in the protocol's own bytes (RESP), gathered and written once: a syscall a tick, not one a command.

/// A buffer of commands.
public struct RedisCommands: Sendable {
    /// The commands so far, as they go over the wire.
    public private(set) var bytes: [UInt8] = []
    /// How many commands are in `bytes`.
    public private(set) var count = 0

    /// An empty buffer.
    public init() {}

    /// Forgets the commands, keeps the memory.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        count = 0
    }

    /// Starts a command of `arguments` parts, its name included. Exactly that many `argument` calls must follow.
    @inline(__always)
    public mutating func begin(arguments: Int) {
        count += 1
        bytes.append(UInt8(ascii: "*"))
        length(arguments)
    }

    /// One part.
    @inline(__always)
    public mutating func argument(_ text: String) {
        bytes.append(UInt8(ascii: "$"))
        length(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
        end()
    }

    /// One part.
    @inline(__always)
    public mutating func argument(_ part: [UInt8]) {
        bytes.append(UInt8(ascii: "$"))
        length(part.count)
        bytes.append(contentsOf: part)
        end()
    }

    /// One part of `count` bytes, which `fill` appends.
    @inline(__always)
    public mutating func argument(count: Int, _ fill: (inout OutputSpan<UInt8>) -> Void) {
        bytes.append(addingCapacity: count + 24) { output in
            output.append(UInt8(ascii: "$"))
            Self.length(count, &output)
            fill(&output)
            output.append(0x0D)
            output.append(0x0A)
        }
    }

    /// The bytes of leading parts that are always the same, made once with `template`.
    @inline(__always)
    public mutating func begin(template: [UInt8]) {
        count += 1
        bytes.append(contentsOf: template)
    }

    /// Parts that are always the same, made once with `template`.
    @inline(__always)
    public mutating func constant(_ template: [UInt8]) {
        bytes.append(contentsOf: template)
    }

    /// The bytes of `parts`, for a command of `arguments` parts that begins with them; 0 for parts in the middle of one.
    public static func template(_ parts: [String], of arguments: Int) -> [UInt8] {
        var commands = RedisCommands()
        if arguments > 0 { commands.begin(arguments: arguments) }
        for part in parts { commands.argument(part) }
        return commands.bytes
    }

    /// A whole command.
    public mutating func command(_ parts: [String]) {
        begin(arguments: parts.count)
        for part in parts { argument(part) }
    }

    /// A whole command in the protocol's own bytes.
    mutating func appendCommand(_ command: ArraySlice<UInt8>) {
        count += 1
        bytes.append(contentsOf: command)
    }

    @inline(__always)
    private mutating func end() {
        bytes.append(0x0D)
        bytes.append(0x0A)
    }

    @inline(__always)
    private mutating func length(_ value: Int) {
        bytes.append(addingCapacity: 22) { Self.length(value, &$0) }
    }

    private static func length(_ value: Int, _ output: inout OutputSpan<UInt8>) {
        // Nearly all lengths have one digit or two.
        if value < 100 {
            if value >= 10 { output.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / 10)) }
            output.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10))
        } else {
            var divisor = 100
            while value / divisor >= 10 { divisor *= 10 }
            while divisor > 0 {
                output.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
                divisor /= 10
            }
        }
        output.append(0x0D)
        output.append(0x0A)
    }
}
