/// Reads a scenario: a YAML file that says who sends, who watches, how the load grows, and what disturbs it.
import FoundationEssentials
import Yams

/// One map of the file. Every key that is asked for is known; `finish` refuses what nobody asked for.
final class ScenarioMap {
    private let file: String
    /// The keys that lead here, such as `devices[0].`.
    private let path: String
    private let line: Int
    private let values: [String: Node]
    /// Where the keys stand.
    private let lines: [String: Int]
    private var known: [String] = []

    init(_ node: Node, file: String, path: String = "") throws(BenchError) {
        self.file = file
        self.path = path
        line = node.mark?.line ?? 1
        guard let mapping = node.mapping else {
            let what = path.isEmpty ? "a scenario" : String(path.dropLast())
            throw BenchError("\(file):\(line): \(what) is a map of keys and values")
        }
        var values: [String: Node] = [:]
        var lines: [String: Int] = [:]
        for (key, value) in mapping {
            let name = key.scalar?.string ?? "?"
            values[name] = value
            lines[name] = key.mark?.line
        }
        self.values = values
        self.lines = lines
    }

    /// The map that `file` holds.
    static func read(_ file: String) throws(BenchError) -> ScenarioMap {
        let text: String
        do {
            text = try String(contentsOfFile: file, encoding: .utf8)
        } catch {
            throw BenchError("cannot read \(file): \(Socket.reason()). bench/scenarios/ has some")
        }
        return try parse(text, file: file)
    }

    static func parse(_ text: String, file: String) throws(BenchError) -> ScenarioMap {
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw BenchError("\(file): not YAML: \(error)")
        }
        guard let node else { throw BenchError("\(file): the file is empty") }
        return try ScenarioMap(node, file: file)
    }

    // MARK: Values

    func number(_ key: String, _ range: ClosedRange<Double>, default value: Double? = nil) throws(BenchError) -> Double
    {
        guard let node = take(key) else { return try present(value, key) }
        guard let number = node.scalar.flatMap({ Double($0.string) }), range.contains(number) else {
            throw error(
                key, "is a number from \(Self.plain(range.lowerBound)) to \(Self.plain(range.upperBound))", node)
        }
        return number
    }

    func integer(_ key: String, _ range: ClosedRange<Int>, default value: Int? = nil) throws(BenchError) -> Int {
        guard let node = take(key) else { return try present(value, key) }
        guard let number = node.scalar.flatMap({ Int($0.string) }), range.contains(number) else {
            throw error(key, "is a whole number from \(range.lowerBound) to \(range.upperBound)", node)
        }
        return number
    }

    func text(_ key: String, default value: String? = nil) throws(BenchError) -> String {
        guard let node = take(key) else { return try present(value, key) }
        guard let text = node.scalar?.string, !text.isEmpty else { throw error(key, "is a text", node) }
        return text
    }

    func choice(_ key: String, _ words: [String], default value: String) throws(BenchError) -> String {
        guard let node = take(key) else { return value }
        guard let text = node.scalar?.string, words.contains(text) else {
            throw error(key, "is \(words.joined(separator: " or "))", node)
        }
        return text
    }

    /// A map below this one; nil where there is none.
    func map(_ key: String) throws(BenchError) -> ScenarioMap? {
        guard let node = take(key) else { return nil }
        return try ScenarioMap(node, file: file, path: "\(path)\(key).")
    }

    /// A list of maps; empty where there is none.
    func list(_ key: String) throws(BenchError) -> [ScenarioMap] {
        guard let node = take(key) else { return [] }
        guard let sequence = node.sequence else { throw error(key, "is a list; begin each entry with -", node) }
        var maps: [ScenarioMap] = []
        for (index, entry) in sequence.enumerated() {
            maps.append(try ScenarioMap(entry, file: file, path: "\(path)\(key)[\(index)]."))
        }
        return maps
    }

    /// Every key with its text, for maps whose keys are the user's.
    func texts() throws(BenchError) -> [String: String] {
        var texts: [String: String] = [:]
        for key in values.keys.sorted() { texts[key] = try text(key) }
        return texts
    }

    /// Refuses keys that nobody asked for.
    func finish() throws(BenchError) {
        guard let key = values.keys.sorted().first(where: { !known.contains($0) }) else { return }
        let line = lines[key] ?? line
        let nearest = known.map { ($0, Self.distance(key, $0)) }.min { $0.1 < $1.1 }
        let hint =
            nearest.flatMap { $0.1 <= max(3, key.count / 2) ? "; did you mean \($0.0)?" : nil }
            ?? "; there are \(known.joined(separator: ", "))"
        throw BenchError("\(file):\(line): no key is called \(path)\(key)\(hint)")
    }

    /// An error about what stands here.
    func error(_ key: String, _ expectation: String) -> BenchError {
        let line = lines[key] ?? line
        return BenchError("\(file):\(line): \(path)\(key) \(expectation)")
    }

    private func error(_ key: String, _ expectation: String, _ node: Node) -> BenchError {
        error(key, expectation + (node.scalar.map { ", not \"\($0.string)\"" } ?? ", not a list or a map"))
    }

    private func take(_ key: String) -> Node? {
        known.append(key)
        return values[key]
    }

    private func present<Value>(_ value: Value?, _ key: String) throws(BenchError) -> Value {
        guard let value else { throw BenchError("\(file):\(line): \(path)\(key) is missing") }
        return value
    }

    private static func plain(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
    }

    /// Levenshtein's distance.
    private static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (index, character) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let replaced = diagonal + (character == right[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[right.count]
    }
}
