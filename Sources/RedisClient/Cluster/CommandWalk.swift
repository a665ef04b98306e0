/// Finds the commands in bytes of our own making, and what each of them is about: batches are cut by node with it.

/// A walk over the commands of a `RedisCommands`, which are arrays of bulk strings (RESP). Nothing is copied.
struct CommandWalk {
    /// One command's bytes, those of its key, and whether it is a PUBLISH.
    struct Found {
        let command: Range<Int>
        let key: Range<Int>
        /// A plain channel belongs to no node: the message may be given to any, which passes it on.
        let isPublish: Bool
    }

    private var position = 0

    /// The next command, or nil at the end. The key is the second part; of a script the fourth, which stands after its
    /// text and the number of its keys.
    mutating func next(_ bytes: Span<UInt8>) -> Found? {
        guard position < bytes.count else { return nil }
        let start = position
        let parts = number(bytes)
        var key = 0..<0
        var keyPart = 1
        var isPublish = false
        for part in 0..<parts {
            let length = number(bytes)
            if part == 0 {
                let name = position..<(position + length)
                if parts > 3, Self.isScript(bytes, name) { keyPart = 3 }
                isPublish =
                    length == 7 && bytes[position] == UInt8(ascii: "P") && bytes[position + 1] == UInt8(ascii: "U")
            }
            if part == keyPart { key = position..<(position + length) }
            position += length + 2
        }
        return Found(command: start..<position, key: key, isPublish: isPublish)
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
