/// Finds the commands in bytes of our own making, and what each of them is about: batches are cut by node with it.

/// A walk over the commands of a `RedisCommands`, which are arrays of bulk strings (RESP). Nothing is copied.
struct CommandWalk {
    private var position = 0

    /// The next command's bytes and its key, or nil at the end. The key is the second part; of a script the fourth, which
    /// stands after its text and the number of its keys.
    mutating func next(_ bytes: Span<UInt8>) -> (command: Range<Int>, key: Range<Int>)? {
        guard position < bytes.count else { return nil }
        let start = position
        let parts = number(bytes)
        var key = 0..<0
        var keyPart = 1
        for part in 0..<parts {
            let length = number(bytes)
            if part == 0, parts > 3, Self.isScript(bytes, position..<(position + length)) { keyPart = 3 }
            if part == keyPart { key = position..<(position + length) }
            position += length + 2
        }
        return (start..<position, key)
    }

    /// `EVAL` and `EVALSHA`, which we write in capitals.
    private static func isScript(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Bool {
        guard name.count == 4 || name.count == 7 else { return false }
        return bytes[name.lowerBound] == UInt8(ascii: "E") && bytes[name.lowerBound + 1] == UInt8(ascii: "V")
    }

    /// The number after a type's byte, up to the line's end.
    private mutating func number(_ bytes: Span<UInt8>) -> Int {
        var value = 0
        position += 1
        while bytes[position] != 0x0D {
            value = value * 10 + Int(bytes[position] - UInt8(ascii: "0"))
            position += 1
        }
        position += 2
        return value
    }
}
