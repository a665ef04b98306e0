/// The track points of a GPX 1.1 (or 1.0) file: a small strict reader of the XML that GPX is, and no more.
///
/// No document types (so no entities of one's own making), well-nested elements, the five predefined entities and
/// numeric ones. Of a point it takes `lat`, `lon`, `ele`, `time`, and `speed`, `course` and `accuracy` wherever below
/// the point they stand.

/// Reads one file.
struct GPXReader {
    private let file: String
    private let content: UnsafeRawBufferPointer
    private var position = 0
    private var open: [String] = []
    private var point: PingFile.Row?
    private var pointHasTime = false
    private var text: [UInt8] = []
    private var rows: [PingFile.Row] = []

    init(_ file: String, _ content: UnsafeRawBufferPointer) {
        self.file = file
        self.content = content
    }

    mutating func readAll() throws(DroverClientError) -> [PingFile.Row] {
        while position < content.count {
            if content[position] != UInt8(ascii: "<") {
                text.append(content[position])
                position += 1
            } else if starts("<!--") {
                try skip(past: "-->", from: 4)
            } else if starts("<?") {
                try skip(past: "?>", from: 2)
            } else if starts("<![CDATA[") {
                let start = position + 9
                try skip(past: "]]>", from: 9)
                text += content[start..<(position - 3)]
            } else if starts("<!") {
                throw failure("a document type, which GPX does not have")
            } else if starts("</") {
                try closeElement()
            } else {
                try openElement()
            }
        }
        if let left = open.last { throw failure("the file ends inside <\(left)>") }
        return rows
    }

    private mutating func openElement() throws(DroverClientError) {
        let start = position
        position += 1
        let name = try readName()
        var attributes: [String: String] = [:]
        while true {
            skipSpace()
            guard position < content.count else { throw failure("the file ends inside <\(name)>") }
            if starts("/>") || starts(">") { break }
            let attribute = try readName()
            skipSpace()
            guard starts("=") else { throw failure("an attribute without a value") }
            position += 1
            skipSpace()
            guard starts("\"") || starts("'") else { throw failure("an attribute's value without quotes") }
            let quote = content[position]
            position += 1
            let valueStart = position
            while position < content.count, content[position] != quote { position += 1 }
            guard attributes[attribute] == nil else { throw failure("`\(attribute)` is there twice") }
            attributes[attribute] = try resolve(Array(content[valueStart..<position]))
            position += 1
        }
        if open.isEmpty, name != "gpx" { throw failure("<\(name)> where <gpx> should begin", at: start) }
        text.removeAll(keepingCapacity: true)
        if name == "trkpt" { try beginPoint(attributes, at: start) }
        if starts("/>") {
            position += 2
            try ended(name, at: start)
        } else {
            position += 1
            open.append(name)
        }
    }

    private mutating func closeElement() throws(DroverClientError) {
        let start = position
        position += 2
        let name = try readName()
        skipSpace()
        guard starts(">") else { throw failure("an end tag that does not end") }
        position += 1
        guard open.popLast() == name else { throw failure("</\(name)> closes what is not open", at: start) }
        try ended(name, at: start)
    }

    private mutating func beginPoint(_ attributes: [String: String], at start: Int) throws(DroverClientError) {
        func coordinate(_ name: String) throws(DroverClientError) -> Double {
            guard let text = attributes[name] else { throw failure("a track point without `\(name)`", at: start) }
            guard let value = number(text) else { throw failure("`\(text)` in \(name) is not a number", at: start) }
            return value
        }
        guard point == nil else { throw failure("a track point inside another", at: start) }
        point = PingFile.Row(
            driver: 0, time: 0, latitude: try coordinate("lat"), longitude: try coordinate("lon"))
        pointHasTime = false
    }

    private mutating func ended(_ name: String, at start: Int) throws(DroverClientError) {
        defer { text.removeAll(keepingCapacity: true) }
        guard var row = point else { return }
        point = nil
        switch name {
        case "trkpt":
            guard pointHasTime else { throw failure("a track point without a time", at: start) }
            rows.append(row)
            return
        case "time":
            let value = try resolve(text)
            guard let time = Timestamp.milliseconds(value) else {
                throw failure("`\(value)` is not RFC 3339 time with a zone", at: start)
            }
            row.time = time
            pointHasTime = true
        case "ele": row.altitude = try value(at: start)
        case "speed": row.speed = try value(at: start).flatMap { $0 < 0 ? nil : $0 }
        case "course": row.heading = try value(at: start).flatMap { $0 < 0 ? nil : $0 }
        case "accuracy": row.accuracy = try value(at: start)
        default: break
        }
        point = row
    }

    private func value(at start: Int) throws(DroverClientError) -> Double? {
        let content = try resolve(text)
        if content.isEmpty { return nil }
        guard let value = number(content) else { throw failure("`\(content)` is not a number", at: start) }
        return value
    }

    private func number(_ text: String) -> Double? { Array(text.utf8).withUnsafeBytes { decimal($0) } }

    /// A name without its namespace prefix.
    private mutating func readName() throws(DroverClientError) -> String {
        let start = position
        while position < content.count, isNameByte(content[position]) { position += 1 }
        guard position > start else { throw failure("a tag without a name") }
        let name = content[start..<position]
        let local = name.lastIndex(of: UInt8(ascii: ":")).map { name[(name.index(after: $0))...] } ?? name
        return String(decoding: local, as: UTF8.self)
    }

    private func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"),
            UInt8(ascii: "-"), 0x80...:
            true
        default: false
        }
    }

    private mutating func skipSpace() {
        while position < content.count, content[position] <= 0x20 { position += 1 }
    }

    private func starts(_ text: StaticString) -> Bool {
        position + text.utf8CodeUnitCount <= content.count
            && UnsafeRawBufferPointer(
                rebasing: content[position..<(position + text.utf8CodeUnitCount)]) == text
    }

    private mutating func skip(past end: StaticString, from offset: Int) throws(DroverClientError) {
        let start = position
        position += offset
        while position < content.count {
            if starts(end) {
                position += end.utf8CodeUnitCount
                return
            }
            position += 1
        }
        throw failure("it never ends", at: start)
    }

    /// Text with its entities resolved and the white space around it removed.
    private func resolve(_ raw: [UInt8]) throws(DroverClientError) -> String {
        var trimmed = raw.drop { $0 <= 0x20 }
        while let last = trimmed.last, last <= 0x20 { trimmed.removeLast() }
        let text = String(decoding: trimmed, as: UTF8.self)
        guard text.contains("&") else { return text }
        var resolved = ""
        var rest = text[...]
        while let start = rest.firstIndex(of: "&") {
            resolved += rest[..<start]
            guard let end = rest[start...].firstIndex(of: ";"),
                let character = character(of: rest[rest.index(after: start)..<end])
            else { throw failure("an entity nobody knows") }
            resolved.append(character)
            rest = rest[rest.index(after: end)...]
        }
        return resolved + rest
    }

    private func character(of entity: Substring) -> Character? {
        switch entity {
        case "lt": return "<"
        case "gt": return ">"
        case "amp": return "&"
        case "quot": return "\""
        case "apos": return "'"
        default:
            guard entity.hasPrefix("#") else { return nil }
            let digits = entity.dropFirst()
            let code = digits.hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
            return code.flatMap(Unicode.Scalar.init).map { Character($0) }
        }
    }

    /// Line and column of `place`, counted only now that they are needed.
    private func failure(_ problem: String, at place: Int? = nil) -> DroverClientError {
        let before = content[..<min(place ?? position, content.count)]
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return .badFile(file, line: line, column: before.count - lineStart + 1, problem: problem)
    }
}
