// Where a text still stands in what a gateway leaves behind: looked for byte by byte, in everything.

import DroverClient
import Foundation
import LocalServers
import Testing
import Zstandard

extension RunningGateway {
    /// The places that hold `text`: rows, keys and values, the journal's files, archives, the log.
    func traces(of text: String, beside others: [RunningGateway] = []) throws -> [String] {
        var found = try rowTraces(of: text) + redisTraces(of: text)
        for gateway in [self] + others {
            found += try Self.fileTraces(of: text, in: gateway.directory.path)
        }
        return found
    }

    /// Tables with a row that holds the text, as it is or in hexadecimal.
    func rowTraces(of text: String) throws -> [String] {
        let tables = try sql(
            "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        let hexadecimal = text.utf8.map { String(format: "%02x", $0) }.joined()
        var found: [String] = []
        for table in tables.compactMap(\.self) {
            let rows = try sql(
                "SELECT left(t::text, 300) FROM \(table) t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0",
                [text, hexadecimal])
            found += rows.compactMap { $0.map { "\(table): \($0)" } }
        }
        return found
    }

    /// Keys of Redis with the text in their name or value.
    func redisTraces(of text: String) throws -> [String] {
        let probe = try redisProbe()
        var found: [String] = []
        for key in try probe.command("KEYS", "*").list.compactMap(\.text) {
            var values = [key]
            switch try probe.command("TYPE", key).text {
            case "hash": values += try probe.command("HGETALL", key).list.compactMap(\.text)
            case "zset": values += try probe.command("ZRANGE", key, "0", "-1").list.compactMap(\.text)
            case "set": values += try probe.command("SMEMBERS", key).list.compactMap(\.text)
            case "list": values += try probe.command("LRANGE", key, "0", "-1").list.compactMap(\.text)
            default: values += [try probe.command("GET", key).text ?? ""]
            }
            if values.contains(where: { $0.contains(text) }) { found.append("redis: \(key)") }
        }
        return found
    }

    /// Files below a directory that hold the text; compressed ones are looked into.
    static func fileTraces(of text: String, in directory: String) throws -> [String] {
        let needle = Data(text.utf8)
        var found: [String] = []
        let files = try #require(FileManager.default.enumerator(atPath: directory))
        for case let name as String in files {
            let path = directory + "/" + name
            guard let content = FileManager.default.contents(atPath: path) else { continue }
            if content.range(of: needle) != nil || name.contains(text) { found.append("file: \(name)") }
            if name.hasSuffix(".zst"), try decompressed(content).range(of: needle) != nil {
                found.append("archive: \(name)")
            }
        }
        return found
    }

    private static func decompressed(_ content: Data) throws -> Data {
        var plain = Data()
        var decompressor = Decompressor()
        try content.withUnsafeBytes { bytes in try decompressor.append(bytes) { plain.append(contentsOf: $0) } }
        try decompressor.finish()
        return plain
    }

    /// Files of the database with the text in them, once every table was written anew.
    func tableFileTraces(of text: String) throws -> [String] {
        try sql("VACUUM FULL")
        try sql("CHECKPOINT")
        let data = try #require(try sql("SHOW data_directory").first.flatMap { $0 })
        let number = try #require(
            try sql("SELECT oid FROM pg_database WHERE datname = current_database()").first.flatMap { $0 })
        return try Self.fileTraces(of: text, in: "\(data)/base/\(number)")
    }
}
