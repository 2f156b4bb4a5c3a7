package io.fovea.app;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** The arrows between the modules point one way only. */
@AnalyzeClasses(packages = "io.fovea", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  private static final String ATTENTION = "io.fovea.attention..";
  private static final String KERNELS = "io.fovea.kernels..";
  private static final String MODELS = "io.fovea.models..";
  private static final String TRAINING = "io.fovea.training..";
  private static final String APP = "io.fovea.app..";

  @ArchTest
  static final ArchRule attentionNeedsLibtorchAndNothingElse =
      classes()
          .that()
          .resideInAPackage(ATTENTION)
          .should()
          .onlyDependOnClassesThat()
          .resideInAnyPackage(ATTENTION, "java..", "org.bytedeco..");

  @ArchTest
  static final ArchRule nobodyKnowsTheKernels =
      noClasses()
          .that()
          .resideOutsideOfPackage(KERNELS)
          .should()
          .dependOnClassesThat()
          .resideInAPackage(KERNELS);

  @ArchTest
  static final ArchRule kernelsNeedAttentionOnly =
      noClasses()
          .that()
          .resideInAPackage(KERNELS)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(MODELS, TRAINING, APP)
          .allowEmptyShould(true); // they are there on newer Javas only

  @ArchTest
  static final ArchRule modelsNeedAttentionOnly =
      noClasses()
          .that()
          .resideInAPackage(MODELS)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(TRAINING, APP);

  @ArchTest
  static final ArchRule trainingNeedsModelsAndAttentionOnly =
      noClasses()
          .that()
          .resideInAPackage(TRAINING)
          .should()
          .dependOnClassesThat()
          .resideInAPackage(APP);

  @ArchTest
  static final ArchRule nobodyNeedsTheApp =
      classes()
          .that()
          .resideInAPackage(APP)
          .should()
          .onlyHaveDependentClassesThat()
          .resideInAPackage(APP);

  @ArchTest
  static final ArchRule onlyTheAppKnowsTheCommandLine =
      noClasses()
          .that()
          .resideOutsideOfPackage(APP)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("picocli..", "me.tongfei..");
}
