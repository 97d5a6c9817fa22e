import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;

/**
 * Makes topics true: `MakeTopics BROKERS FILE`, a line of FILE being `name partitions copies setting=value…`.
 *
 * <p>Missing topics are made, partitions raised, settings set. Partitions are never lowered: Kafka cannot, and keys would move.
 * It waits until all brokers that a topic's copies need are there, and may be run again at any time.
 */
public final class MakeTopics {
    private static final int WAIT_S = 300;

    private record Topic(String name, int partitions, short copies, Map<String, String> settings) {
        static Topic of(String line) {
            String[] words = line.trim().split("\\s+");
            Map<String, String> settings = new LinkedHashMap<>();
            for (String word : Arrays.asList(words).subList(3, words.length)) {
                String[] pair = word.split("=", 2);
                settings.put(pair[0], pair[1]);
            }
            return new Topic(words[0], Integer.parseInt(words[1]), Short.parseShort(words[2]), settings);
        }

        NewTopic asNew() {
            return new NewTopic(name, partitions, copies).configs(settings);
        }
    }

    private MakeTopics() {}

    public static void main(String[] arguments) throws Exception {
        List<Topic> topics = Files.readAllLines(Path.of(arguments[1])).stream().filter(line -> !line.isBlank()).map(Topic::of).toList();
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", arguments[0], "default.api.timeout.ms", "30000", "request.timeout.ms", "5000", "reconnect.backoff.max.ms", "1000");
        try (Admin kafka = Admin.create(settings)) {
            waitFor(kafka, topics.stream().mapToInt(Topic::copies).max().orElse(1));
            create(kafka, topics);
            raise(kafka, topics);
            configure(kafka, topics);
        }
    }

    private static void waitFor(Admin kafka, int brokers) throws InterruptedException {
        long end = System.nanoTime() + WAIT_S * 1_000_000_000L;
        while (true) {
            int found = 0;
            try {
                found = kafka.describeCluster().nodes().get().size();
            } catch (ExecutionException notYet) {
                System.out.println("waiting for Kafka: " + notYet.getCause().getMessage());
            }
            if (found >= brokers) {
                return;
            }
            if (System.nanoTime() > end) {
                throw new IllegalStateException(found + " of " + brokers + " brokers after " + WAIT_S + " s");
            }
            Thread.sleep(1000);
        }
    }

    private static void create(Admin kafka, List<Topic> topics) throws Exception {
        Set<String> existing = kafka.listTopics().names().get();
        for (Topic topic : topics) {
            if (existing.contains(topic.name())) {
                continue;
            }
            try {
                kafka.createTopics(List.of(topic.asNew())).all().get();
                System.out.println(topic.name() + ": made with " + topic.partitions() + " partitions");
            } catch (ExecutionException failed) {
                if (!(failed.getCause() instanceof TopicExistsException)) {
                    throw failed;
                }
            }
        }
    }

    private static void raise(Admin kafka, List<Topic> topics) throws Exception {
        List<String> names = topics.stream().map(Topic::name).toList();
        var found = kafka.describeTopics(names).allTopicNames().get();
        for (Topic topic : topics) {
            int now = found.get(topic.name()).partitions().size();
            if (now < topic.partitions()) {
                kafka.createPartitions(Map.of(topic.name(), NewPartitions.increaseTo(topic.partitions()))).all().get();
                System.out.println(topic.name() + ": raised from " + now + " to " + topic.partitions() + " partitions");
            } else if (now > topic.partitions()) {
                System.out.println(topic.name() + ": keeps its " + now + " partitions, " + topic.partitions() + " were asked for");
            }
        }
    }

    private static void configure(Admin kafka, List<Topic> topics) throws Exception {
        Map<ConfigResource, Collection<AlterConfigOp>> changes = new HashMap<>();
        for (Topic topic : topics) {
            List<AlterConfigOp> set = new ArrayList<>();
            topic.settings().forEach((name, value) -> set.add(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET)));
            changes.put(new ConfigResource(ConfigResource.Type.TOPIC, topic.name()), set);
        }
        kafka.incrementalAlterConfigs(changes).all().get();
        System.out.println(topics.size() + " topics are as the chart says");
    }
}
