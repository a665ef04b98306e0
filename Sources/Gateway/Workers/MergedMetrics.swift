/// One page of metrics out of several processes'.

/// How a metric of several processes becomes one. It stands beside the metric's description.
enum MetricsRule: String {
    /// Counters, histograms, and gauges of what each process has for itself.
    case sum
    /// Ages, lags, and what each process knows of the same thing.
    case maximum
    /// What is well where it is well everywhere.
    case minimum
}

/// Families of samples, added up page by page.
struct MergedMetrics {
    private struct Family {
        let name: String
        let help: String
        var type = ""
        var rule = MetricsRule.sum
        /// Samples by their name with labels, in the order in which they came.
        var keys: [String] = []
        var values: [String: Double] = [:]

        /// Whether it must never go back, whoever ends.
        var isCounter: Bool { type == "counter" || type == "histogram" }

        mutating func add(_ key: String, _ value: Double) {
            guard let before = values[key] else {
                keys.append(key)
                values[key] = value
                return
            }
            switch rule {
            case .sum: values[key] = before + value
            case .maximum: values[key] = max(before, value)
            case .minimum: values[key] = min(before, value)
            }
        }
    }

    private var families: [Family] = []
    private var numbers: [String: Int] = [:]

    /// Adds a page of `MetricsFormat.exchange`; of another one where `countersOnly`, what remains of a process that has
    /// ended: what it counted has still happened.
    mutating func add(_ page: String, countersOnly: Bool = false) {
        var family = -1
        for line in page.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
            if line.hasPrefix("# HELP "), words.count >= 3 {
                let help = words.count == 4 ? String(words[3]) : ""
                family = number(of: String(words[2]), help: help)
            } else if line.hasPrefix("# TYPE "), words.count == 4, family >= 0 {
                families[family].type = String(words[3])
            } else if line.hasPrefix("# MERGE "), words.count == 4, family >= 0 {
                families[family].rule = MetricsRule(rawValue: String(words[3])) ?? .sum
            } else if family >= 0, !line.hasPrefix("#"), let space = line.lastIndex(of: " ") {
                guard families[family].isCounter || !countersOnly else { continue }
                guard let value = Double(line[line.index(after: space)...]) else { continue }
                families[family].add(String(line[..<space]), value)
            }
        }
    }

    /// Adds a gauge of the supervisor's own, or a counter.
    mutating func add(_ name: String, _ type: String, _ help: String, _ samples: [(labels: String, value: Int)]) {
        var page = "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
        for (labels, value) in samples {
            page += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
        }
        add(page)
    }

    private mutating func number(of name: String, help: String) -> Int {
        if let known = numbers[name] { return known }
        numbers[name] = families.count
        families.append(Family(name: name, help: help))
        return families.count - 1
    }

    /// The page, of `MetricsFormat.exchange` again.
    var text: String {
        var text = ""
        for family in families where !family.keys.isEmpty {
            text += "# HELP \(family.name) \(family.help)\n# TYPE \(family.name) \(family.type)\n"
            if family.rule != .sum { text += "# MERGE \(family.name) \(family.rule.rawValue)\n" }
            for key in family.keys { text += "\(key) \(Self.number(family.values[key] ?? 0))\n" }
        }
        return text
    }

    /// Whole numbers without a fraction, as a single process writes them.
    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }
}
