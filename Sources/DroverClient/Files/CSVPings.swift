/// Pings from CSV (RFC 4180) with a header line: recordings with `elapsed_ms`, and Drover's own exported history.

/// Reads one file.
struct CSVPings {
    private enum Column {
        case driver, elapsed, time, latitude, longitude, altitude, speed, heading, accuracy, ignored

        init(_ name: String) {
            self =
                switch name {
                case "driver_id", "driver", "agent": .driver
                case "elapsed_ms": .elapsed
                case "recorded_at", "timestamp": .time
                case "lat", "latitude": .latitude
                case "lng", "lon", "longitude": .longitude
                case "altitude", "altitude_m": .altitude
                case "speed", "speed_mps": .speed
                case "heading", "bearing_deg": .heading
                case "accuracy", "accuracy_m": .accuracy
                default: .ignored
                }
        }
    }

    /// A field's content without quotes, and where it begins.
    private struct Field {
        let bytes: UnsafeRawBufferPointer
        let hasEscapes: Bool
        let column: Int

        var text: String {
            let text = String(decoding: bytes, as: UTF8.self)
            return hasEscapes ? text.replacing("\"\"", with: "\"") : text
        }
    }

    private let file: String
    private let content: UnsafeRawBufferPointer
    private var position = 0
    private var line = 1
    private var columns: [Column] = []
    private var names: [String] = []
    private var driverNumbers: [String: Int] = [:]
    private(set) var drivers: [String] = []

    var hasElapsedTimes: Bool { columns.contains(.elapsed) }

    /// Reads the header line.
    init(_ file: String, _ content: UnsafeRawBufferPointer) throws(DroverClientError) {
        self.file = file
        self.content = content
        // A byte order mark, as spreadsheets write it.
        if content.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        guard let header = try nextRecord() else {
            throw .badFile(file, line: 1, column: 0, problem: "the file is empty; its first line must name the columns")
        }
        names = header.map { $0.text }
        columns = names.map { Column($0) }
        guard columns.contains(.latitude), columns.contains(.longitude) else {
            throw .badFile(file, line: 1, column: 1, problem: "the first line names no columns `lat` and `lng`")
        }
        guard columns.contains(.time) || columns.contains(.elapsed) else {
            throw .badFile(
                file, line: 1, column: 1, problem: "the first line names no column `elapsed_ms` or `recorded_at`")
        }
        for (index, column) in columns.enumerated() where column != .ignored {
            guard !columns[..<index].contains(column) else {
                throw .badFile(
                    file, line: 1, column: header[index].column, problem: "`\(names[index])` is there twice")
            }
        }
    }

    mutating func readAll() throws(DroverClientError) -> [PingFile.Row] {
        var rows: [PingFile.Row] = []
        while true {
            let start = line
            guard let fields = try nextRecord() else { return rows }
            // An empty line, at the end most often.
            if fields.count == 1, fields[0].bytes.isEmpty { continue }
            guard fields.count == columns.count else {
                throw .badFile(
                    file, line: start, column: fields.last?.column ?? 1,
                    problem: "\(fields.count) fields where the first line names \(columns.count)")
            }
            rows.append(try row(fields, start))
        }
    }

    private mutating func row(_ fields: [Field], _ line: Int) throws(DroverClientError) -> PingFile.Row {
        var row = PingFile.Row(driver: 0, time: 0, latitude: 0, longitude: 0)
        for (index, field) in fields.enumerated() {
            switch columns[index] {
            case .driver: row.driver = try driverNumber(field, index, line)
            case .elapsed:
                if columns.contains(.time) { continue }
                row.time = Int64(try required(field, index, line).rounded())
            case .time:
                guard let time = Timestamp.parse(field.bytes) else {
                    throw problem(field, index, line, "is neither RFC 3339 time with a zone nor epoch milliseconds")
                }
                row.time = time
            case .latitude: row.latitude = try required(field, index, line)
            case .longitude: row.longitude = try required(field, index, line)
            case .altitude: row.altitude = try optional(field, index, line)
            // A phone says -1 for what it does not know (Android's and CoreLocation's habit).
            case .speed: row.speed = try optional(field, index, line).flatMap { $0 < 0 ? nil : $0 }
            case .heading: row.heading = try optional(field, index, line).flatMap { $0 < 0 ? nil : $0 }
            case .accuracy: row.accuracy = try optional(field, index, line)
            case .ignored: break
            }
        }
        return row
    }

    private mutating func driverNumber(_ field: Field, _ index: Int, _ line: Int) throws(DroverClientError) -> Int {
        let id = field.text
        if let known = driverNumbers[id] { return known }
        guard isDriverID(id) else {
            throw problem(field, index, line, "is not a driver's id of 1 to 64 characters A-Z a-z 0-9 _ . : -")
        }
        driverNumbers[id] = drivers.count
        drivers.append(id)
        return drivers.count - 1
    }

    private func required(_ field: Field, _ index: Int, _ line: Int) throws(DroverClientError) -> Double {
        guard let value = decimal(field.bytes), abs(value) < 9e15 else {
            throw problem(field, index, line, "is not a number")
        }
        return value
    }

    private func optional(_ field: Field, _ index: Int, _ line: Int) throws(DroverClientError) -> Double? {
        if field.bytes.isEmpty || field.bytes == "null" || field.bytes == "NaN" || field.bytes == "nan" { return nil }
        return try required(field, index, line)
    }

    private func problem(_ field: Field, _ index: Int, _ line: Int, _ words: String) -> DroverClientError {
        .badFile(
            file, line: line, column: field.column, problem: "`\(field.text.prefix(40))` in \(names[index]) \(words)")
    }

    /// The next line's fields, quoted ones over several lines included; nil at the end.
    private mutating func nextRecord() throws(DroverClientError) -> [Field]? {
        guard position < content.count else { return nil }
        var fields: [Field] = []
        fields.reserveCapacity(columns.count)
        let lineStart = position
        while true {
            let column = position - lineStart + 1
            let field = try nextField(column)
            fields.append(field)
            guard position < content.count else { return fields }
            let separator = content[position]
            position += 1
            if separator == UInt8(ascii: ",") { continue }
            if separator == UInt8(ascii: "\r"), position < content.count, content[position] == UInt8(ascii: "\n") {
                position += 1
            }
            line += 1
            return fields
        }
    }

    private mutating func nextField(_ column: Int) throws(DroverClientError) -> Field {
        guard position < content.count, content[position] == UInt8(ascii: "\"") else {
            let start = position
            while position < content.count, !isSeparator(content[position]) { position += 1 }
            return Field(
                bytes: UnsafeRawBufferPointer(rebasing: content[start..<position]), hasEscapes: false, column: column)
        }
        let opened = line
        position += 1
        let start = position
        var hasEscapes = false
        while position < content.count {
            if content[position] == UInt8(ascii: "\n") { line += 1 }
            if content[position] == UInt8(ascii: "\"") {
                if position + 1 < content.count, content[position + 1] == UInt8(ascii: "\"") {
                    hasEscapes = true
                    position += 1
                } else {
                    let field = Field(
                        bytes: UnsafeRawBufferPointer(rebasing: content[start..<position]), hasEscapes: hasEscapes,
                        column: column)
                    position += 1
                    guard position >= content.count || isSeparator(content[position]) else {
                        throw .badFile(file, line: line, column: column, problem: "text after a closing quote")
                    }
                    return field
                }
            }
            position += 1
        }
        throw .badFile(file, line: opened, column: column, problem: "a quote that is never closed")
    }

    private func isSeparator(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
    }
}

/// API.md, "Words": 1 to 64 characters of `[A-Za-z0-9_.:-]`.
func isDriverID(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
        && text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
}
